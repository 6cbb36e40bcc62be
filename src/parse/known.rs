//! The expressions of formats that many programs write: klog, syslog, and the logs of nginx and Apache.
//!
//! **Invariant**: what matches is taken apart as the format's own documents name its parts; what does not is a plain line.
//! An empty value that the format writes as `-` makes a field all the same: the line says so.
//!
//! Sources: klog's and glog's header; RFC 3164 (section 4.1), RFC 5424 (section 6); nginx's predefined `combined` and its error log;
//! Apache's `common`, `combined`, `vhost_common` and its default `ErrorLogFormat`.

use super::head;
use super::pairs::Pairs;
use super::parsed::Parsed;
use super::regex::Expression;
use super::values::Type;

/// `I1123 08:50:48.703931       1 controller.go:617] quota admission added evaluator`
const KLOG: &[&str] = &[
    r"(?s)^(?<level>[IWEF])(?<time>(?:\d{4}|\d{8}) \d\d:\d\d:\d\d\.\d{6}) +(?<thread>\d+) (?<file>[^ \]]+):(?<line>\d+)\] ?(?<message>.*)$",
];

const SYSLOG: &[&str] = &[
    r#"(?s)^<(?<priority>\d{1,3})>1 (?<time>\S+) (?<host>\S+) (?<program>\S+) (?<pid>\S+) (?<message_id>\S+) (?<structured_data>-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)(?: \x{feff}?(?<message>.*))?$"#,
    r"(?s)^(?:<(?<priority>\d{1,3})>)?(?<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) (?<host>\S+) (?<program>[^\s:\[]+)(?:\[(?<pid>[^\]]*)\])?: ?(?<message>.*)$",
];

/// `10.0.0.1 - ann [23/Nov/2026:08:50:48 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8.5.0"`
const ACCESS: &str = r#"^(?:(?<host>[^\s"\[]+) )?(?<client>\S+) (?<ident>\S+) (?<user>[^\[]*?) \[(?<time>[^\]]+)\] "(?:(?<method>[A-Z]+) (?<path>(?:[^"\\ ]|\\.)+)(?: (?<protocol>[A-Z]+/[0-9.]+))?|(?<request>(?:[^"\\]|\\.)*))" (?<status>\d{3}) (?<bytes>\d+|-)(?: "(?<referer>(?:[^"\\]|\\.)*)" "(?<agent>(?:[^"\\]|\\.)*)")?"#;

const NGINX: &[&str] = &[
    ACCESS,
    r"(?s)^(?<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?<level>[a-z]+)\] (?<pid>\d+)#(?<thread>\d+): (?:\*(?<connection>\d+) )?(?<message>.*)$",
];

const APACHE: &[&str] = &[
    ACCESS,
    r"(?s)^\[(?<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]+ \d{4})\] \[(?:(?<module>[a-z0-9_]*):)?(?<level>[a-z0-9]+)\](?: \[pid (?<pid>\d+)(?::tid (?<thread>\d+))?\])?(?: \[client (?<client>[^\]]+)\])? (?<message>.*)$",
];

/// A format that is known by its name.
#[derive(Clone, Debug)]
pub struct Known {
    /// As typed in settings.
    pub name: &'static str,
    /// Its forms.
    expression: Expression,
}

impl Known {
    fn new(name: &'static str, forms: &[&str]) -> Option<Self> {
        let (first, others) = forms.split_first()?;
        // A test makes all of them.
        let expression = others.iter().try_fold(Expression::new(first).ok()?, |all, form| all.or(form).ok())?;
        Some(Self { name, expression })
    }

    /// `klog`.
    pub fn klog() -> Option<Self> {
        Self::new("klog", KLOG)
    }

    /// `syslog`.
    pub fn syslog() -> Option<Self> {
        Self::new("syslog", SYSLOG)
    }

    /// `nginx`.
    pub fn nginx() -> Option<Self> {
        Self::new("nginx", NGINX)
    }

    /// `apache`.
    pub fn apache() -> Option<Self> {
        Self::new("apache", APACHE)
    }

    /// Which of its fields are no texts.
    pub fn types(&self) -> &'static [(&'static str, Type)] {
        match self.name {
            "nginx" | "apache" => &[("status", Type::Int), ("bytes", Type::Int)],
            _ => &[],
        }
    }

    /// What the line says; `None` where it has none of the format's forms.
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        let parsed = self.expression.parse(body, pairs)?;
        // Where the form has no word for the level, syslog's priority or the message may.
        Some(Parsed { level: parsed.level.or_else(|| head::level(body)), ..parsed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Fields, Level};
    use crate::parse::pairs::Scratch;

    fn check(known: Option<Known>, line: &str, expected: &str) {
        let mut known = known.expect("its expressions are valid");
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let found = known.parse(line, &mut pairs).map(|parsed| {
            let Fields::Pairs(pairs) = parsed.fields else { unreachable!("its fields are pairs") };
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", key.plain(), value.plain())).collect();
            let level = parsed.level.map_or("-", Level::name);
            let message = if parsed.message.plain() == line { "=".into() } else { parsed.message.plain() };
            format!("{level} {message} | {}", pairs.join(" "))
        });
        assert_eq!(found.as_deref().unwrap_or("none"), expected, "{line}");
    }

    #[test]
    fn klog() {
        let line = "E1123 08:50:48.703931       1 disk.go:617] nearly full free=12";
        let fields = "level=E time=1123 08:50:48.703931 thread=1 file=disk.go line=617 message=nearly full free=12";
        check(Known::klog(), line, &format!("error nearly full free=12 | {fields}"));
        check(Known::klog(), "E1123 is a road", "none");
    }

    #[test]
    fn syslog() {
        check(
            Known::syslog(),
            "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"A\\]pp\"] An application",
            "info An application | priority=165 time=2003-10-11T22:14:15.003Z host=mymachine.example.com program=evntslog pid=- message_id=ID47 structured_data=[exampleSDID@32473 iut=\"3\" eventSource=\"A\\]pp\"] message=An application",
        );
        check(
            Known::syslog(),
            "<34>1 2003-10-11T22:14:15Z h su 12 - -",
            "fatal = | priority=34 time=2003-10-11T22:14:15Z host=h program=su pid=12 message_id=- structured_data=-",
        );
        check(
            Known::syslog(),
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            "fatal 'su root' failed | priority=34 time=Oct 11 22:14:15 host=mymachine program=su message='su root' failed",
        );
        check(
            Known::syslog(),
            "Jun  4 15:16:01 combo sshd(pam_unix)[19939]: authentication failure",
            "- authentication failure | time=Jun  4 15:16:01 host=combo program=sshd(pam_unix) pid=19939 message=authentication failure",
        );
        check(Known::syslog(), "plain", "none");
    }

    #[test]
    fn nginx_and_apache() {
        let common = "10.0.0.1 - ann [23/Nov/2026:08:50:48 +0000] \"GET /a?b=\\\"c HTTP/1.1\" 200 612";
        let fields = "client=10.0.0.1 ident=- user=ann time=23/Nov/2026:08:50:48 +0000 method=GET path=/a?b=\\\"c protocol=HTTP/1.1 status=200 bytes=612";
        for known in [Known::nginx, Known::apache] {
            check(known(), common, &format!("- = | {fields}"));
            check(
                known(),
                &format!("{common} \"-\" \"curl/8.5.0\""),
                &format!("- = | {fields} referer=- agent=curl/8.5.0"),
            );
            check(known(), &format!("shop.example:80 {common}"), &format!("- = | host=shop.example:80 {fields}"));
            check(
                known(),
                "10.0.0.1 - - [23/Nov/2026:08:50:48 +0000] \"\\x16\\x03\" 400 -",
                "- = | client=10.0.0.1 ident=- user=- time=23/Nov/2026:08:50:48 +0000 request=\\x16\\x03 status=400 bytes=-",
            );
            check(known(), "plain", "none");
        }
        check(
            Known::nginx(),
            "2026/11/23 08:50:48 [crit] 29#30: *1 open() failed, client: 10.0.0.1",
            "fatal open() failed, client: 10.0.0.1 | time=2026/11/23 08:50:48 level=crit pid=29 thread=30 connection=1 message=open() failed, client: 10.0.0.1",
        );
        check(
            Known::apache(),
            "[Mon Nov 23 08:50:48.703931 2026] [core:error] [pid 35708:tid 43286] [client 72.15.99.187:1] File does not exist: /x",
            "error File does not exist: /x | time=Mon Nov 23 08:50:48.703931 2026 module=core level=error pid=35708 thread=43286 client=72.15.99.187:1 message=File does not exist: /x",
        );
        check(
            Known::apache(),
            "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok",
            "info workerEnv.init() ok | time=Sun Dec 04 04:47:44 2005 level=notice message=workerEnv.init() ok",
        );
    }
}
