//! The expressions of formats that many programs write: klog, syslog, and the logs of nginx and Apache.
//!
//! An expression matches the head of a line: its empty group `message` stands where the message begins, which is not looked at.
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
    r"^(?<level>[IWEF])(?<time>[0-9]{4}(?:[0-9]{4})? [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}) +(?<thread>[0-9]+) (?<file>[^ \]:]+):(?<line>[0-9]+)\] ?(?<message>)",
];

const SYSLOG: &[&str] = &[
    r#"^<(?<priority>[0-9]{1,3})>1 (?<time>[^ ]+) (?<host>[^ ]+) (?<program>[^ ]+) (?<pid>[^ ]+) (?<message_id>[^ ]+) (?<structured_data>-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)(?: \x{feff}?(?<message>)|$)"#,
    r"^(?:<(?<priority>[0-9]{1,3})>)?(?<time>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]+) (?<host>[^ ]+) (?<program>[^ :\[]+)(?:\[(?<pid>[^\]]*)\])?: ?(?<message>)",
];

/// Most lines of an access log: no host before the client, nothing escaped, nothing behind it but referer and agent. At each of its
/// signs there is one way to go on, which an engine takes at four times the speed; what it matches, [`ACCESS`] takes apart alike.
const PLAIN_ACCESS: &str = r#"^(?<client>[^ "\[]+) (?<ident>[^ "\[]+) (?<user>[^ "\[]+) \[(?<time>[^\]]+)\] "(?<method>[A-Z]+) (?<path>[^"\\ ]+) (?<protocol>[A-Z]+/[0-9.]+)" (?<status>[0-9]{3}) (?<bytes>[0-9]+|-)(?:$| "(?<referer>[^"\\]*)" "(?<agent>[^"\\]*)")"#;

/// `10.0.0.1 - ann [23/Nov/2026:08:50:48 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8.5.0"`
const ACCESS: &str = r#"^(?:(?<host>[^\s"\[]+) )?(?<client>\S+) (?<ident>\S+) (?<user>[^\[]*?) \[(?<time>[^\]]+)\] "(?:(?<method>[A-Z]+) (?<path>(?:[^"\\ ]|\\.)+)(?: (?<protocol>[A-Z]+/[0-9.]+))?|(?<request>(?:[^"\\]|\\.)*))" (?<status>\d{3}) (?<bytes>\d+|-)(?: "(?<referer>(?:[^"\\]|\\.)*)" "(?<agent>(?:[^"\\]|\\.)*)")?"#;

const NGINX: &[&str] = &[
    PLAIN_ACCESS,
    ACCESS,
    r"^(?<time>[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) \[(?<level>[a-z]+)\] (?<pid>[0-9]+)#(?<thread>[0-9]+): (?:\*(?<connection>[0-9]+) )?(?<message>)",
];

const APACHE: &[&str] = &[
    PLAIN_ACCESS,
    ACCESS,
    r"^\[(?<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:.]+ [0-9]{4})\] \[(?:(?<module>[a-z0-9_]*):)?(?<level>[a-z0-9]+)\](?: \[pid (?<pid>[0-9]+)(?::tid (?<thread>[0-9]+))?\])?(?: \[client (?<client>[^\]]+)\])? (?<message>)",
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
        let expression = expression.with_message_to_end();
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
    use proptest::prelude::*;

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

    /// Lines of an access log, and nearly such.
    fn access() -> impl Strategy<Value = String> {
        let word = || prop_oneof![Just("-".to_owned()), "[a-z0-9.:]{1,8}", "[ -~é]{0,6}"];
        let request =
            prop_oneof!["[A-Z]{1,5} /[a-z%?=&.]{0,9} HTTP/[0-9.]{1,3}", "[A-Z]{1,5} [!-~]{0,9}", "[ -!#-~é]{0,12}",];
        let quoted = || prop_oneof!["[ -!#-\\[\\]-~]{0,9}", "(?:[a-z ]|\\\\\"|é){0,5}"];
        let tail = prop_oneof![
            Just(String::new()),
            (quoted(), quoted()).prop_map(|(referer, agent)| format!(" \"{referer}\" \"{agent}\"")),
            "[ -~]{0,9}",
        ];
        (word(), word(), word(), proptest::option::of(word()), request, "[0-9]{2,4}", "[0-9]{1,4}|-", tail).prop_map(
            |(client, ident, user, host, request, status, bytes, tail)| {
                let host = host.map_or(String::new(), |host| host + " ");
                let time = "23/Nov/2026:08:50:48 +0000";
                format!("{host}{client} {ident} {user} [{time}] \"{request}\" {status} {bytes}{tail}")
            },
        )
    }

    proptest! {
        #[test]
        fn the_plain_form_takes_a_line_apart_as_the_whole_one_does(line in access()) {
            let said = |forms: &[&str]| {
                let mut known = Known::new("nginx", forms).expect("its expressions are valid");
                let mut scratch = Scratch::default();
                let mut pairs = scratch.lend();
                known.parse(&line, &mut pairs).map(|parsed| format!("{parsed:?}"))
            };
            prop_assert_eq!(said(NGINX), said(&NGINX[1..]));
        }
    }

    #[test]
    fn a_message_is_not_looked_at() {
        let line = "E1123 08:50:48.703931       1 disk.go:617] first\nsecond \u{1f4a5} é";
        let mut known = Known::klog().expect("its expressions are valid");
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let parsed = known.parse(line, &mut pairs).expect("klog");
        assert_eq!(parsed.message.plain(), "first\nsecond \u{1f4a5} é");
        check(
            Known::klog(),
            "I1123 08:50:48.703931       1 a.go:1]",
            "info  | level=I time=1123 08:50:48.703931 thread=1 file=a.go line=1 message=",
        );
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
