//! Heads of well-known programs, and what only looks like a time.

use proptest::prelude::*;

use super::*;

fn near() -> Time {
    Time::parse_rfc3339(b"2026-11-27T08:00:00Z").expect("a time")
}

fn check(line: &str, expected: &str) {
    let found = find(line.as_bytes(), near()).map(Time::to_rfc3339);
    assert_eq!(found.as_deref().unwrap_or("none"), expected, "{line}");
}

#[test]
fn one_time_in_many_heads() {
    for line in [
        "2026-11-23T08:50:48Z",
        "[2026-11-23 08:50:48] x",
        "\u{1b}[2m2026-11-23T08:50:48Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m x",
        "10.0.0.1 - - [23/Nov/2026:08:50:48 +0000] \"GET / HTTP/1.1\" 200 1",
        "10.0.0.1 - ann [23/Nov/2026:08:50:48 +0000] \"GET / HTTP/1.1\" 200 1",
        "shop.example:80 10.0.0.1 - - [23/Nov/2026:08:50:48 +0000] \"GET / HTTP/1.1\" 200 1",
        "[Mon Nov 23 08:50:48 2026] [notice] x",
        "2026/11/23 08:50:48 [error] 29#29: *1 open()",
        "I, [2026-11-23T08:50:48 #1]  INFO -- : x",
        "INFO  [main] 2026-11-23 08:50:48 CassandraDaemon.java:123 - up",
        "WARNING 2026-11-23 08:50:48 basehttp 1 x",
        "INFO 11-23 08:50:48 engine.py:1] x",
        "<34>Nov 23 08:50:48 host su: x",
        "<165>1 2026-11-23T08:50:48Z host app 1 ID47 - x",
        "- 1795423848 2026.11.23 R02-M1-N0-C:J12-U11 2026-11-23-00.50.48.675872 R02-M1-N0-C:J12-U11 RAS KERNEL INFO x",
        "KERNDTLB 1795423848 2026.11.23 R02-M1-N0 2026-11-23-00.50.48.675872 R02-M1-N0 RAS KERNEL FATAL x",
        "1795423848 456 10.0.0.1 TCP_MISS/200 1",
        "134681 node-246 unix.hw state_change.unavailable 1795423848 1 Component",
        "web_1  | 2026-11-23 08:50:48 x",
        "web | 2026-11-23 08:50:48 x",
        "nova-api.log.1.2017-05-16_13:53:08 2026-11-23 08:50:48 25746 INFO nova [-] x",
        "####<Nov 23, 2026 8:50:48 AM UTC> <Notice> <x>",
        "=INFO REPORT==== 23-Nov-2026::08:50:48 ===",
        "*Nov 23 08:50:48: %SYS-5-CONFIG_I: Configured",
        "type=SYSCALL msg=audit(1795423848.000:123): arch=c000003e",
        "time=\"2026-11-23T08:50:48Z\" level=info msg=x",
        "level=info msg=\"a \\\" ts=1\" ts=2026-11-23T08:50:48Z",
        "t=1795423848000 lvl=info msg=x",
        "timestamp: 2026-11-23 08:50:48 x",
        "{\"time\":\"2026-11-23T08:50:48Z\",\"level\":30}",
        "{\"level\":30,\"time\":1795423848000,\"msg\":\"x\"}",
        "{\"level\":\"info\",\"ts\":1795423848.0,\"msg\":\"x\"}",
        "{\"ts\":1.795423848e9}",
        "{\"@timestamp\":\"2026-11-23T08:50:48Z\",\"time\":\"2020-01-01T00:00:00Z\"}",
        "{\"time\":\"0.003s\",\"ts\":1795423848}",
        "{\"t\":{\"$date\":\"2026-11-23T08:50:48.000+00:00\"},\"s\":\"I\"}",
        "{\"instant\":{\"epochSecond\":1795423848,\"nanoOfSecond\":0}}",
        "{\"__REALTIME_TIMESTAMP\":\"1795423848000000\",\"MESSAGE\":\"x\"}",
        "{\"timestamp\":1795423848000000000}",
        "I20261123 08:50:48.000000 1 main.cc:12] x",
        "I1123 08:50:48.000000       1 controller.go:617] x",
        "I261123 08:50:48.000000 12 cart/store.go:12 x",
        "CartService:2026-11-23 08:50:48[MainThread]cart:737 [INFO] x",
        "cart.log:2026-11-23 08:50:48 x",
        "Started GET \"/cart?at=1\" for 10.0.0.1 at 2026-11-23 09:50:48 +0100",
        "[#|2026-11-23T08:50:48+0000|INFO|glassfish 4.1|x|#]",
        "  1234:20261123:085048 x",
        "@400000006b03fe7200000000 x",
        "INFO   | jvm 1    | 2026/11/23 08:50:48 | x",
        "ERROR  |???                   | 2026-11-23 08:50:48 [main] x",
        "https 2026-11-23T08:50:48Z app/shop/50dc 10.0.0.1:2817 - 0.000 200",
        "<185>date=2026-11-23 time=08:50:48 devname=cart level=\"alert\"",
        "date=\"2026-11-23\" time=\"08:50:48\" devname=cart",
        "date=2026-11-23 time=01:02:03 devname=cart eventtime=1795423848000000000",
        "[pid: 1|app: 0|req: 2/3] 10.0.0.1 () {44 vars in 1322 bytes} [Mon Nov 23 08:50:48 2026] GET /",
        "[CET Nov 23 09:50:48] error    : x",
        "INFO [11-23|08:50:48] x",
        "[INFO] [1795423848.000000]: x",
        "[INFO] [1795423848.000000, 22.600000]: x",
        "[12:34:1123/085048:ERROR:gpu.cc(12)] x",
        "[1123/085048.000:WARNING:gpu.cc(12)] x",
        "L 11/23/2026 - 08:50:48: x",
        "redis: 2026/11/23 08:50:48 pool.go:12: x",
        "ImageService: 139853338433792: 2026-11-23 08:50:48,000 cart:12 x",
        "November 23, 2026 08:50:48: User x was created",
        "Office_Jet ann 12 [23/Nov/2026:08:50:48 +0000] total 0",
        "1795423848000000 x",
        "time:[23/Nov/2026:08:50:48 +0000]\thost:10.0.0.1\tstatus:200",
        "time:2026-11-23T08:50:48Z\tlevel:error",
        "I[2026-11-23|08:50:48] Executed block",
        "web-1 | {\"level\":\"info\",\"ts\":1795423848.0}",
        "NetworkManager[1372]: <warn>  [1795423848.0000] x",
        "20261123:08:50:48:006441 gpinitsystem:x:gpadmin-[INFO]:-x",
        "00:0000:00000:00012:2026/11/23 08:50:48.00 server  x",
        "RP/0/RSP0/CPU0:Nov 23 08:50:48 : config[65]: %MGBL-SYS-5-CONFIG_I : x",
        "Jicofo 2026-11-23 08:50:48 WARNING: [12] x.y: z",
        "<189>: 2026 Nov 23 08:50:48 UTC: %ETHPORT-5-SPEED: x",
        "<189>switch: 2026 Nov 23 08:50:48 UTC: %ETHPORT-5-SPEED: x",
        "2026 Nov 23 08:50:48 switch %LLDP-3-PEERS: x",
        "device=\"SFW\" date=2026-11-23 time=09:50:48 timezone=\"CET\" log_id=1",
        "device=\"SFW\" date=2026-11-23 time=08:50:48 timezone=\"UTC\"",
        "Thread-1950::INFO::2026-11-23 08:50:48::dispatcher::94::x",
        "yt : [WARNING  ] 2026-11-23 08:50:48 x",
        "shop-6bd6f7cdb-hhbfl web 2026-11-23T08:50:48Z\tinfo\tx",
        "78017 00cff -- none -- - 2026-11-23T08:50:48+00:00 WARN (4): x",
        "audit: type=1400 audit(1795423848.000:151): apparmor=\"DENIED\"",
        "audit(1795423848.000:151): x",
        "11/23/2026 08:50:48;0100;PBS_Server;Job;12.web;x",
        "11/23/2026-08:50:48.000000  [**] [1:2029054:2] x",
        "{\"datetime\":{\"date\":\"2026-11-23 08:50:48.000000\",\"timezone_type\":3,\"timezone\":\"UTC\"}}",
    ] {
        check(line, "2026-11-23T08:50:48Z");
    }
    check("1.795423848703931e+09\tINFO\tx", "2026-11-23T08:50:48.703931Z");
    check("03/11/2026-08:50:48.703931  [**] [1:2029054:2] x", "2026-03-11T08:50:48.703931Z");
    check("03/11/2026 08:50:48;0100;PBS_Server;Job;12.web;x", "2026-03-11T08:50:48Z");
    check("10/11/2026 08:50:48.703931;0100;pbs_mom;x", "2026-10-11T08:50:48.703931Z");
    check("1:M 23 Nov 2026 08:50:48.703 * Ready", "2026-11-23T08:50:48.703Z");
    check("{\"ts\":1795423848.7039318}", "2026-11-23T08:50:48.7039318Z");
}

#[test]
fn what_only_looks_like_a_time() {
    for line in [
        "",
        "x",
        "08:50:48.703 [main] INFO x",
        "Started the cart at 2026-11-23 08:50:48",
        "started at 2026-11-23 08:50:48",
        "Certificate expires 2026-11-23 08:50:48",
        "Expires: Mon, 23 Nov 2026 08:50:48 GMT",
        "Last-Modified: Mon, 23 Nov 2026 08:50:48 GMT",
        "expires=\"2026-11-23 08:50:48\" x",
        "{\"expires\":\"2026-11-23T08:50:48Z\"}",
        "{\"time\":12.5,\"duration\":1795423848}",
        "{\"time\":1795,\"t\":\"soon\"}",
        "user 1795423848 logged in",
        "order 1795423848",
        "ID 1795423848 not found",
        "v1.2.3 (2026-11-23 08:50:48)",
        "expires: 2026-11-23 08:50:48 and is renewed then",
        "created: 2026/11/23 08:50:48 by ann",
        "at: 2026-11-23 08:50:48",
        "list of [23/Nov/2026] and [08:50:48]",
        "1795423848000000000, 1",
        "[INFO] [1795423848]x",
        "Jicofo 2026-11-23 08:50:48 was better",
        "time:2026-11-23T08:50:48Z x",
        "{\"datetime\":{\"date\":\"2026-11-23 08:50:48.000000\",\"timezone_type\":3,\"timezone\":\"Europe/Berlin\"}}",
        "[12:34:1123/085048] x",
        "expires:2026-11-23 08:50:48",
        "Expires:2026-11-23 08:50:48",
        "\tNov 23 2026 08:50:48",
        "11-06-2026 08:50:48 +0300 x",
        "http until 2026-11-23 08:50:48",
        "@400000006b03fe72 x",
        "@cafe00006b03fe7200000000 x",
        "a | much longer cell than any table of logs has | 2026-11-23 08:50:48",
        "date=2026-11-23 time=soon",
        "23 Nov 26 08:50:48 x",
        "date=2026-11-23 time=08:50:48 timezone=\"IST\"",
        "<189>expires at 2026-11-23 08:50:48",
        "audit(soon:1): x",
        "audit: type=1400 x",
        "shop::info::2026-11-23 08:50:48",
        "shop : [x] 2026-11-23 08:50:48 y",
        "03/11/2026-08:50:48.703931 x",
        "03/11/2026 08:50:48;01;x",
        "raise ValueError(\"2026-11-23 08:50:48\")",
        "INSERT INTO x VALUES (1, '2026-11-23 08:50:48')",
        "9876543210 is a phone number",
        "an error at 2026-11-23T08:50:48Z",
        "    at com.example.Shop.main(Shop.java:12)",
        "INFO[0012] listening",
        "[    0.000000] Linux version 6.1",
        "[WARNING] 326/085048 (1) : Server",
        "1.2.3.4:8080 -> 5.6.7.8:80",
        "time= x",
        "ts=",
        "{\"time\":\"",
        "{\"time\":",
    ] {
        check(line, "none");
    }
}

proptest! {
    #[test]
    fn any_line_has_a_time_or_none(
        line in prop_oneof![
            any::<String>(),
            "([\\[<(]?(I|INFO|Nov|Mon,|[0-9]{1,14}|[0-9]{1,4}[-/.][0-9]{1,3}[-/.][0-9]{1,4}|[0-9]{1,2}:[0-9]{2}:[0-9]{1,3}|a=|ts=\"?|e\\+09|[.,:| TZ\\]]|\\{\"t\":\"?)){1,9}",
        ],
    ) {
        if let Some(time) = find(line.as_bytes(), near()) {
            // A year that is left out may be next to any, so only the others are bound to the range.
            prop_assert!(time.nanos < 1_000_000_000);
        }
    }
}
