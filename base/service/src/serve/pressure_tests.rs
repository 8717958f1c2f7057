//! What the limit does with servers of different kinds, in simulated time.

use super::*;

/// A server with requests waiting all the time, and what it answers a second when so many are worked on.
struct Model {
    pressure: Pressure,
    now: Instant,
}

impl Model {
    fn new() -> Self {
        let (mut pressure, now) = (Pressure::default(), Instant::now());
        pressure.begin(now);
        Self { pressure, now }
    }

    /// The limit on average over this time.
    fn run(&mut self, seconds: u64, rate: impl Fn(usize) -> f64) -> f64 {
        let (began, end) = (self.now, self.now + Duration::from_secs(seconds));
        let mut sum = 0.0;
        let mut next_look = self.now;
        while self.now < end {
            let limit = self.pressure.limit();
            let step = Duration::from_secs_f64(1.0 / rate(limit));
            self.now += step;
            sum += limit as f64 * step.as_secs_f64();
            let now = self.now;
            self.pressure.done(|| now);
            if now >= next_look {
                self.pressure.look(now);
                next_look = now + Duration::from_millis(25);
            }
        }
        sum / self.now.duration_since(began).as_secs_f64()
    }
}

/// A processor that does 10,000 a second, and less when caches are cold.
fn busy(limit: usize) -> f64 {
    if limit <= 64 { 10_000.0 } else { 8_000.0 }
}

/// An app that takes 100 ms for each and works on two thousand.
fn slow(limit: usize) -> f64 {
    limit.min(2000) as f64 * 10.0
}

#[test]
fn where_the_processor_is_busy_the_limit_stays_low() {
    let average = Model::new().run(10, busy);
    assert!(average < 80.0, "{average}");
}

#[test]
fn where_requests_wait_for_an_app_the_limit_grows() {
    let mut model = Model::new();
    model.run(2, slow);
    assert!(model.pressure.limit() >= 1024, "{}", model.pressure.limit());
}

#[test]
fn a_limit_that_has_become_high_comes_down_when_the_processor_is_busy() {
    let mut model = Model::new();
    model.run(2, slow);
    model.run(10, busy);
    let average = model.run(10, busy);
    assert!(average < 80.0, "{average}");
}

#[test]
fn when_nothing_gets_done_twice_as_many_may_go_at_each_look() {
    let mut model = Model::new();
    for expected in [128, 256, 512] {
        model.pressure.look(model.now);
        assert_eq!(model.pressure.limit(), expected);
    }
    let now = model.now;
    model.pressure.done(|| now);
    model.pressure.look(model.now);
    assert_eq!(model.pressure.limit(), 512, "something was done");
}

#[test]
fn a_limit_with_which_nobody_waited_stays() {
    let mut model = Model::new();
    model.run(1, slow);
    let limit = model.pressure.limit();
    assert!(limit > 64 && model.pressure.trial.is_some());
    model.pressure.begin(model.now);
    assert_eq!((model.pressure.limit(), model.pressure.trial), (limit, None));
}
