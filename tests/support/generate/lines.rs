//! What applications say: JSON as pino, zap, slog and logback write it, logfmt, plain text, access logs, stack traces.
//!
//! Invariant: a JSON line is valid JSON without a key twice, a logfmt line is valid logfmt; ugly bytes stand in plain
//! lines only, so that what is expected of a structured line is beyond dispute.

use super::pods::Pod;
use super::random::Random;
use crate::support::time;

/// What a line is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    Json,
    Logfmt,
    #[default]
    Plain,
    /// An access log in the combined format.
    Access,
    /// A line of a stack trace.
    Trace,
    Empty,
}

/// A line under construction.
#[derive(Default)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) level: Option<&'static str>,
}

const LEVELS: [&str; 8] = ["info", "info", "info", "debug", "debug", "warn", "error", "info"];
const MESSAGES: [&str; 14] = [
    "request completed",
    "order accepted and handed to the warehouse for picking",
    "cache miss, loading from the database",
    "retrying after a timeout from the payment provider",
    "disk nearly full on volume data-3, 4 % left",
    "Größe der Anfrage überschreitet die Grenze",
    "在庫を更新しました",
    "user signed in 🎉 from a new device",
    "connection closed by peer before the answer was complete",
    "scheduled job finished without changes",
    "feature flag evaluated for 1,204 accounts in 3 segments",
    "slow query: SELECT id, total FROM orders WHERE customer = ? ORDER BY created_at DESC LIMIT 50",
    "leader election lost, standing down",
    "rendered template invoice/v2/summary for tenant north",
];
const PATHS: [&str; 7] = [
    "/api/v2/cart/items",
    "/api/v2/orders/93841/lines?expand=product,price&page=2",
    "/static/app.3f9c2b.js",
    "/healthz",
    "/search?q=winter+jacket&color=blue&size=M&sort=price_asc",
    "/api/v1/users/me/preferences",
    "/img/products/4481/large.webp",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile",
    "kube-probe/1.37",
    "Go-http-client/2.0",
];
const CLASSES: [&str; 5] = [
    "com.shop.cart.CartService.addLine(CartService.java",
    "org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java",
    "java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java",
    "io.netty.channel.AbstractChannelHandlerContext.invokeChannelRead(AbstractChannelHandlerContext.java",
    "com.shop.common.retry.RetryTemplate.lambda$execute$0(RetryTemplate.java",
];

impl Line {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.kind = Kind::Plain;
        self.level = None;
    }

    pub(super) fn ordinary(&mut self, random: &mut Random, pod: &Pod, sequence: u64, ugly: bool, now: i64) {
        match random.below(100) {
            0..60 => self.json(random, pod, sequence, now),
            60..74 => self.logfmt(random, pod, sequence),
            74..86 => self.plain(random, pod, sequence, ugly),
            _ => self.access(random, pod, sequence, now),
        }
    }

    fn json(&mut self, random: &mut Random, pod: &Pod, sequence: u64, now: i64) {
        self.kind = Kind::Json;
        let level = random.pick(&LEVELS);
        self.level = Some(level);
        let millis = now / 1_000_000;
        match (pod.number + usize::from(random.one_in(10))) % 4 {
            0 => {
                let number = match level {
                    "debug" => "20",
                    "info" => "30",
                    "warn" => "40",
                    _ => "50",
                };
                self.text("{\"level\":").text(number).text(",\"time\":").number(millis as u64);
                self.text(",\"pid\":1,\"hostname\":\"").text(&pod.name).text("\",\"reqId\":\"req-").hex(random, 6);
                self.text("\",\"req\":{\"method\":\"GET\",\"url\":\"").text(random.pick(&PATHS));
                self.text("\",\"remoteAddress\":\"10.2.").number(random.below(255) as u64).text(".7\",\"headers\":{");
                self.text("\"user-agent\":\"").text(random.pick(&AGENTS)).text("\"}},\"res\":{\"statusCode\":200},");
                self.text("\"responseTime\":").number(random.below(900) as u64).text(",\"msg\":\"");
            }
            1 => {
                self.text("{\"level\":\"").text(level).text("\",\"ts\":").number(millis as u64 / 1000).text(".");
                self.number(100_000 + random.below(899_999) as u64).text(",\"caller\":\"").text(pod.app);
                self.text("/handler.go:").number(random.below(900) as u64).text("\",\"trace_id\":\"").hex(random, 32);
                self.text("\",\"span_id\":\"").hex(random, 16).text("\",\"latency\":0.0").number(random.below(9999) as u64);
                self.text(",\"retry\":false,\"route\":\"").text(random.pick(&PATHS)).text("\",\"peer\":null,\"attempt\":");
                self.number(random.below(4) as u64).text(",\"tags\":[\"eu\",\"blue\"],\"query\":\"");
                self.text(MESSAGES[11]).text("\",\"msg\":\"");
            }
            2 => {
                let level = match level {
                    "debug" => "DEBUG",
                    "info" => "INFO",
                    "warn" => "WARN",
                    _ => "ERROR",
                };
                self.text("{\"time\":\"").text(&time::rfc3339(now)).text("\",\"level\":\"").text(level);
                self.text("\",\"service\":\"").text(pod.app).text("\",\"user\":{\"id\":").number(random.below(90_000) as u64);
                self.text(",\"name\":\"Zo\\u00eb \\\"Z\\\" Müller\"},\"items\":[").number(random.below(50) as u64);
                self.text(",2,3],\"total\":12.50,\"http\":{\"path\":\"").text(random.pick(&PATHS));
                self.text("\",\"agent\":\"").text(random.pick(&AGENTS)).text("\"},\"msg\":\"");
            }
            _ => {
                let level = match level {
                    "debug" => "DEBUG",
                    "info" => "INFO",
                    "warn" => "WARN",
                    _ => "ERROR",
                };
                self.text("{\"@timestamp\":\"").text(&time::rfc3339(now)).text("\",\"@version\":\"1\",\"level\":\"");
                self.text(level).text("\",\"thread_name\":\"http-nio-8080-exec-").number(random.below(200) as u64);
                self.text("\",\"logger_name\":\"com.shop.").text(pod.app).text(".web.RequestLog\",\"level_value\":20000,");
                self.text("\"stack_trace\":\"java.io.IOException: closed\\n\\tat ").text(random.pick(&CLASSES));
                self.text(":12)\\n\\tat ").text(random.pick(&CLASSES)).text(":99)\\n\",\"message\":\"");
            }
        }
        self.text(random.pick(&MESSAGES)).text(" ").tag(pod, sequence).text("\"}");
    }

    fn logfmt(&mut self, random: &mut Random, pod: &Pod, sequence: u64) {
        self.kind = Kind::Logfmt;
        let level = random.pick(&LEVELS);
        self.level = Some(level);
        self.text("level=").text(level).text(" caller=main.go:").number(random.below(400) as u64).text(" component=");
        self.text(pod.app).text(" msg=\"").text(random.pick(&MESSAGES)).text(" ").tag(pod, sequence);
        self.text("\" duration=").number(random.below(9_000) as u64).text("ms trace=").hex(random, 32).text(" path=\"");
        self.text(random.pick(&PATHS)).text("\" err=\"dial tcp 10.0.3.").number(random.below(255) as u64);
        self.text(":5432: i/o timeout\" bytes=").number(random.below(90_000) as u64).text(" cached=true agent=\"");
        self.text(random.pick(&AGENTS)).text("\"");
    }

    fn plain(&mut self, random: &mut Random, pod: &Pod, sequence: u64, ugly: bool) {
        self.text(random.pick(&["", "  ", "[main] ", "worker-7: ", "E1123 08:50:48.703931       1 reflector.go:147] "]));
        self.text(random.pick(&MESSAGES)).text(" ").tag(pod, sequence).text(" while handling ");
        self.text(random.pick(&PATHS)).text("; ").text(random.pick(&MESSAGES));
        for _ in 0..random.below(4) {
            self.text(", then ").text(random.pick(&MESSAGES));
        }
        if ugly && random.one_in(40) {
            let bad: [&[u8]; 5] = [b"\xff\xfe", b"caf\xe9", b"\xe2\x82", b"\xf0\x9f\x8e", b"\xc0\xaf"];
            self.text(" name=");
            self.bytes.extend_from_slice(random.pick(&bad));
            self.text(random.pick(&["", " and more", "é"]));
        }
    }

    fn access(&mut self, random: &mut Random, pod: &Pod, sequence: u64, now: i64) {
        self.kind = Kind::Access;
        self.text("10.4.").number(random.below(255) as u64).text(".").number(random.below(255) as u64).text(" - - [");
        self.text(&time::seconds_text(now / 1_000_000_000)).text(" +0000] \"GET ").text(random.pick(&PATHS));
        self.text("#").tag(pod, sequence).text(" HTTP/1.1\" 200 ").number(random.below(99_000) as u64);
        self.text(" \"https://shop.example.org/").text(pod.app).text("\" \"").text(random.pick(&AGENTS)).text("\" ");
        self.number(random.below(400) as u64).text(" 0.0").number(random.below(400) as u64).text(" [upstream-");
        self.text(pod.app).text("-8080] [] 10.2.9.").number(random.below(255) as u64).text(":8080 ").hex(random, 32);
    }

    pub(super) fn frame(&mut self, random: &mut Random, pod: &Pod, sequence: u64) {
        self.kind = Kind::Trace;
        if random.one_in(12) {
            self.text("Caused by: java.net.SocketTimeoutException: Read timed out ").tag(pod, sequence);
            return;
        }
        self.text("\tat ").text(random.pick(&CLASSES)).text(":").number(random.below(900) as u64).text(") ~[shop-").text(pod.app);
        self.text("-4.12.jar!/:4.12] ").tag(pod, sequence);
    }

    /// A line of many pieces, or of exactly as many bytes as end a piece.
    pub(super) fn long(&mut self, random: &mut Random, pod: &Pod, sequence: u64, longest: usize) {
        let edges = [8_191, 8_192, 8_193, 16_383, 16_384, 16_385, 32_768, 24_576];
        let length = if random.one_in(2) { edges[random.below(edges.len())] } else { 8_000 + random.below(longest) };
        let length = length.min(longest);
        let json = random.one_in(2);
        if json {
            self.kind = Kind::Json;
            self.level = Some("info");
            self.text("{\"level\":\"info\",\"msg\":\"a large answer ").tag(pod, sequence).text("\",\"payload\":\"");
        } else {
            self.text("a large answer ").tag(pod, sequence).text(": ");
        }
        let end = if json { "\"}" } else { "" };
        while self.bytes.len() + end.len() + 64 < length {
            self.text(random.pick(&["lorem ipsum ", "dolor-sit-amet/", "größte ", "日本語の行", "🎉", "0123456789abcdef0123456789abcdef"]));
        }
        // Only now to the byte: what stands before is longer than one byte.
        while self.bytes.len() + end.len() < length {
            self.bytes.push(b'.');
        }
        self.text(end);
    }

    fn text(&mut self, text: &str) -> &mut Line {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, mut number: u64) -> &mut Line {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[at..]);
        self
    }

    fn hex(&mut self, random: &mut Random, digits: usize) -> &mut Line {
        let mut bits = 0;
        for place in 0..digits {
            if place % 16 == 0 {
                bits = random.bits();
            }
            self.bytes.push(b"0123456789abcdef"[(bits & 15) as usize]);
            bits >>= 4;
        }
        self
    }

    fn tag(&mut self, pod: &Pod, sequence: u64) -> &mut Line {
        self.text("seq=").number(pod.number as u64).text("-").number(sequence)
    }
}
