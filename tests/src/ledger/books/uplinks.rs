//! The account of every webhook message: what its sender was told, and how often IoT Hub has it.

use super::super::queues::Held;
use super::fate::Fate;
use super::history::Subject;

/// One message.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    is_acknowledged: bool,
    accepted: u8,
}

/// All messages, by number.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Uplinks {
    accounts: Vec<Account>,
    /// Messages the hub got more than once, each further time counted.
    pub(in crate::ledger) duplicates: u64,
    /// Messages in the hub, each counted once.
    pub(in crate::ledger) in_hub: u64,
}

impl Uplinks {
    /// Room for so many messages.
    pub(in crate::ledger) fn new(count: u32) -> Self {
        Self { accounts: vec![Account::default(); count as usize], ..Self::default() }
    }

    /// The sender was told this. Only 2xx is a promise.
    pub(in crate::ledger) fn answered(&mut self, number: u32, status: u16) {
        if let Some(account) = self.accounts.get_mut(number as usize) {
            account.is_acknowledged |= (200..300).contains(&status);
        }
    }

    /// The hub has the message.
    pub(in crate::ledger) fn accepted(&mut self, number: u32) {
        let Some(account) = self.accounts.get_mut(number as usize) else { return };
        match account.accepted {
            0 => self.in_hub += 1,
            _ => self.duplicates += 1,
        }
        account.accepted = account.accepted.saturating_add(1);
    }

    /// What became of every acknowledged message.
    pub(in crate::ledger) fn fates<'a>(&'a self, held: &'a Held) -> impl Iterator<Item = (u32, Fate)> + 'a {
        let acknowledged = (0..).zip(&self.accounts).filter(|(_, account)| account.is_acknowledged);
        acknowledged.map(|(number, account)| {
            let fate = match account.accepted {
                0 => held.fate_of(Subject::Uplink(number)).unwrap_or(Fate::Lost),
                _ => Fate::Delivered,
            };
            (number, fate)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::queues::Queue;
    use super::*;

    #[test]
    fn an_acknowledged_message_that_is_nowhere_is_lost() {
        let mut uplinks = Uplinks::new(6);
        for (number, status) in [(0, 200), (1, 202), (2, 202), (3, 200), (4, 503), (5, 500)] {
            uplinks.answered(number, status);
        }
        uplinks.accepted(0);
        uplinks.accepted(5);
        uplinks.accepted(5);
        let mut held = Held::default();
        held.add(Subject::Uplink(1), Queue::Parked);
        held.add(Subject::Uplink(2), Queue::DeadLetter);
        let fates: Vec<_> = uplinks.fates(&held).collect();
        let expected = [(0, Fate::Delivered), (1, Fate::Parked), (2, Fate::DeadLettered), (3, Fate::Lost)];
        assert_eq!(fates, expected, "4 and 5 are not owed");
        assert_eq!((uplinks.in_hub, uplinks.duplicates), (2, 1));
    }

    #[test]
    fn a_later_failure_takes_no_promise_back() {
        let mut uplinks = Uplinks::new(1);
        uplinks.answered(0, 200);
        uplinks.answered(0, 500);
        assert_eq!(uplinks.fates(&Held::default()).collect::<Vec<_>>(), [(0, Fate::Lost)]);
    }
}
