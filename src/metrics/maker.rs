//! Makes series and registers them.
//!
//! **Invariant**: every series is registered where it is made, so none can be forgotten.

use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Upper bounds of the request duration's buckets, in seconds: from a store on the same host to a timeout.
const SECONDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Makes series and registers them. Names and labels are constants of this module, so a mistake is a mistake of the
/// program that its first test meets.
pub(super) struct Maker(Registry);

impl Maker {
    const WRONG: &'static str = "series have legal, distinct names";

    /// Into `registry`.
    pub(super) fn new(registry: Registry) -> Self {
        Self(registry)
    }

    /// Where all of them are.
    pub(super) fn into_registry(self) -> Registry {
        self.0
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.counters_of(name, help, &[&["pipeline"], labels].concat())
    }

    /// Of no pipeline.
    pub(super) fn counters_of(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(format!("tailwater_{name}"), help), labels).expect(Self::WRONG))
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(format!("tailwater_{name}"), help).expect(Self::WRONG))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(format!("tailwater_{name}"), help), labels).expect(Self::WRONG))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(format!("tailwater_{name}"), help).expect(Self::WRONG))
    }

    /// `name` stands whole: the process' own series are named alike in all programs.
    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help).expect(Self::WRONG))
    }

    /// As for [`Maker::float_gauge`].
    pub(super) fn float_counter(&self, name: &str, help: &str) -> prometheus::Counter {
        self.register(prometheus::Counter::new(name, help).expect(Self::WRONG))
    }

    /// One for each pipeline.
    pub(super) fn float_gauges(&self, name: &str, help: &str) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(format!("tailwater_{name}"), help), &["pipeline"]).expect(Self::WRONG))
    }

    /// As for [`Maker::float_gauges`].
    pub(super) fn float_counters(&self, name: &str, help: &str) -> prometheus::CounterVec {
        let opts = Opts::new(format!("tailwater_{name}"), help);
        self.register(prometheus::CounterVec::new(opts, &["pipeline"]).expect(Self::WRONG))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let opts = HistogramOpts::new(format!("tailwater_{name}"), help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(opts, &[&["pipeline"], labels].concat()).expect(Self::WRONG))
    }

    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect(Self::WRONG);
        collector
    }
}
