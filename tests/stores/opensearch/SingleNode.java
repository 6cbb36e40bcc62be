import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.network.NetworkAddress;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * One real OpenSearch node on 127.0.0.1: {@code java -cp 'classes:lib/*' SingleNode HOME [setting=value...]}.
 *
 * <p>The server's jars hold everything but a way to start them outside a distribution: a node has to be told which
 * transport to use, because the Netty plugin is no part of the core. It listens on a port the kernel chooses and says
 * which on stdout. SIGTERM closes it in order.
 */
public final class SingleNode extends Node {
    private SingleNode(Settings settings) {
        super(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "tailwater-tests"),
            List.<Class<? extends Plugin>>of(Netty4Plugin.class),
            true);
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder()
            .put("path.home", Path.of(arguments[0]).toAbsolutePath().toString())
            .put("cluster.name", "tailwater-tests")
            .put("node.name", "tailwater-tests")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("transport.type", "netty4")
            .put("transport.port", "0")
            .put("http.type", "netty4")
            .put("http.port", "0")
            // A nearly full disk would make every index read-only; the tests set that block themselves.
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (String argument : List.of(arguments).subList(1, arguments.length)) {
            String[] pair = argument.split("=", 2);
            if (pair.length != 2) {
                throw new IllegalArgumentException("not setting=value: " + argument);
            }
            settings.put(pair[0], pair[1]);
        }

        SingleNode node = new SingleNode(settings.build());
        Runtime.getRuntime().addShutdownHook(new Thread(node::closeQuietly));
        node.start();
        var address = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        System.out.println("listening on http://" + NetworkAddress.format(address.address()));
        new CountDownLatch(1).await();
    }

    private void closeQuietly() {
        try {
            close();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
