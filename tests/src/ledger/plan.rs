//! What happens in a run, in which order: all of it follows from the seed.

use std::collections::{BTreeMap, VecDeque};

use super::change::Change;
use super::fault::Fault;
use super::{Delivery, Options, api};

/// Requests spoiled by one short fault, at most.
const MOST_TIMES: u32 = 4;

/// Steps between a message and its second delivery, and that a message is held back, at most.
const LONGEST_DELAY: u64 = 200;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Send an uplink, perhaps not for the first time.
    Uplink(u32),
    /// Change something in IoT Hub.
    Change(Change),
    /// The same for the ordinary API.
    ApiChange(api::Change),
    /// A device joins, if it is registered.
    Join(u32),
    /// A device takes a downlink from its queue.
    Take(u32),
    /// The Things Stack starts again.
    RestartTts,
    /// Let something go wrong.
    Fault(Fault),
    /// End all faults.
    Recover,
    /// SIGKILL the handler.
    Kill,
    /// Switch a device off, or on again.
    Enable(u32, bool),
}

/// Draws step by step.
#[derive(Debug)]
pub(super) struct Plan {
    random: fastrand::Rng,
    uplinks: u32,
    next_uplink: u32,
    changes: u32,
    next_change: u32,
    devices: u32,
    delivery: Delivery,
    odds: Option<Odds>,
    position: u64,
    ready: VecDeque<Step>,
    later: BTreeMap<u64, Vec<Step>>,
}

/// On average, so many uplinks and changes lie between two of a kind.
#[derive(Debug, Clone, Copy)]
struct Odds {
    fault: u64,
    outage: u64,
    kill: u64,
    disabled: u64,
    /// Only long runs have the time for it.
    silence: Option<u64>,
}

impl Odds {
    /// Long runs have more of everything, but not so many outages that nothing else is left.
    fn of(total: u64) -> Self {
        Self {
            fault: (total / 5000).max(40),
            outage: (total / 100).max(700),
            kill: (total / 300).max(500),
            disabled: (total / 200).max(500),
            silence: (total > 100_000).then_some(total / 20),
        }
    }
}

impl Plan {
    /// The plan of a run.
    pub(super) fn new(options: &Options) -> Self {
        let total = u64::from(options.uplinks) + u64::from(options.events);
        Self {
            random: fastrand::Rng::with_seed(options.seed),
            uplinks: options.uplinks,
            next_uplink: 0,
            changes: options.events,
            next_change: 0,
            devices: options.devices,
            delivery: options.delivery,
            odds: (!options.calm).then(|| Odds::of(total)),
            position: 0,
            ready: VecDeque::new(),
            later: BTreeMap::new(),
        }
    }

    fn is_met(&mut self, odds: u64) -> bool {
        self.random.u64(0..odds) == 0
    }

    fn delay(&mut self, step: Step, longest: u64) {
        let due = self.position + self.random.u64(1..=longest);
        self.later.entry(due).or_default().push(step);
    }

    fn draw_trouble(&mut self, odds: Odds) {
        if self.is_met(odds.fault) {
            let times = self.random.u32(1..=MOST_TIMES);
            let fault = self.draw_fault(Some(times));
            self.ready.push_back(Step::Fault(fault));
        }
        if self.is_met(odds.outage) {
            let fault = self.draw_fault(None);
            self.ready.push_back(Step::Fault(fault));
            self.delay(Step::Recover, LONGEST_DELAY);
        }
        if self.delivery == Delivery::Api && self.is_met(odds.kill) {
            self.ready.push_back(Step::RestartTts);
        }
        if odds.silence.is_some_and(|silence| self.is_met(silence)) {
            self.ready.push_back(Step::Fault(Fault::silence()));
        }
        if self.is_met(odds.kill) {
            self.ready.push_back(Step::Kill);
        }
        if self.is_met(odds.disabled) {
            let device = self.random.u32(0..self.devices);
            self.ready.push_back(Step::Enable(device, false));
            self.delay(Step::Enable(device, true), LONGEST_DELAY);
        }
    }

    fn draw_fault(&mut self, times: Option<u32>) -> Fault {
        match self.delivery {
            Delivery::Package => Fault::draw(&mut self.random, times, self.devices),
            Delivery::Api => api::draw_fault(&mut self.random, times, self.devices),
        }
    }

    /// What devices do by themselves.
    fn draw_life(&mut self) {
        let device = self.random.u32(0..self.devices);
        match self.random.u32(0..3) {
            0 => self.ready.push_back(Step::Join(device)),
            1 => self.ready.push_back(Step::Take(device)),
            _ => {}
        }
    }

    fn draw_change(&mut self) -> Step {
        self.next_change += 1;
        let (number, devices, random) = (self.next_change, self.devices, &mut self.random);
        match self.delivery {
            Delivery::Package => Step::Change(Change::draw(number, devices, random)),
            Delivery::Api => Step::ApiChange(api::Change::draw(number, devices, random)),
        }
    }

    /// The next uplink or change, each as likely as there are of them. Some uplinks come late, some twice.
    fn draw_item(&mut self) {
        let (uplinks, changes) = (self.uplinks - self.next_uplink, self.changes - self.next_change);
        if self.random.u64(0..u64::from(uplinks) + u64::from(changes)) >= u64::from(uplinks) {
            let change = self.draw_change();
            return self.ready.push_back(change);
        }
        let step = Step::Uplink(self.next_uplink);
        self.next_uplink += 1;
        match (self.odds, self.random.u32(0..100)) {
            (Some(_), 0) => self.delay(step, LONGEST_DELAY),
            (Some(_), 1) => {
                self.ready.push_back(step.clone());
                self.delay(step, LONGEST_DELAY);
            }
            _ => self.ready.push_back(step),
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.ready.is_empty() {
            let is_over = self.next_uplink == self.uplinks && self.next_change == self.changes;
            if is_over && self.later.is_empty() {
                return None;
            }
            self.position += 1;
            self.ready.extend(self.later.remove(&self.position).into_iter().flatten());
            if !is_over {
                self.odds.into_iter().for_each(|odds| self.draw_trouble(odds));
                self.draw_item();
                if self.delivery == Delivery::Api {
                    self.draw_life();
                }
            }
        }
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> Options {
        Options { uplinks: 5000, events: 500, devices: 20, seed, delivery: Delivery::Package, ..Options::default() }
    }

    #[test]
    fn every_uplink_is_sent_and_every_change_made_some_uplinks_late_or_twice() {
        let steps: Vec<_> = Plan::new(&options(1)).collect();
        let uplinks =
            steps.iter().filter_map(|step| if let Step::Uplink(number) = step { Some(*number) } else { None });
        let uplinks: Vec<_> = uplinks.collect();
        let mut sorted = uplinks.clone();
        sorted.sort_unstable();
        assert_ne!(sorted, uplinks, "some are late");
        sorted.dedup();
        assert!(sorted.len() < uplinks.len(), "some come twice");
        assert_eq!(sorted, (0..5000).collect::<Vec<_>>());
        let changes = steps.iter().filter(|step| matches!(step, Step::Change(_))).count();
        assert_eq!(changes, 500);
        assert!(steps.contains(&Step::Kill) && steps.contains(&Step::Recover));
    }

    #[test]
    fn a_plan_follows_from_its_seed_and_a_calm_one_has_no_trouble() {
        assert!(Plan::new(&options(1)).eq(Plan::new(&options(1))));
        assert!(!Plan::new(&options(1)).eq(Plan::new(&options(2))));
        let calm = Plan::new(&Options { calm: true, ..options(1) });
        assert!(calm.into_iter().all(|step| matches!(step, Step::Uplink(_) | Step::Change(_))));
    }
}
