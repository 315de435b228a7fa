//! Numbered entries of which only the newest are kept, for runs that would fill the memory.

use std::collections::VecDeque;

/// Numbers go on counting when entries are forgotten.
#[derive(Debug)]
pub(crate) struct Newest<T> {
    entries: VecDeque<T>,
    forgotten: usize,
    most: usize,
}

impl<T> Newest<T> {
    /// Keeps so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), forgotten: 0, most }
    }

    /// Adds an entry; its number is the count of all before it.
    pub(crate) fn push(&mut self, entry: T) -> usize {
        self.entries.push_back(entry);
        if self.entries.len() > self.most {
            self.forget_before(self.forgotten + self.entries.len() - self.most);
        }
        self.count() - 1
    }

    /// How many there have ever been.
    pub(crate) fn count(&self) -> usize {
        self.forgotten + self.entries.len()
    }

    /// An entry that is still there.
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number.checked_sub(self.forgotten)?)
    }

    /// The entry added last.
    pub(crate) fn last(&self) -> Option<&T> {
        self.entries.back()
    }

    /// The entries left, from a number on.
    pub(crate) fn from(&self, number: usize) -> impl Iterator<Item = &T> {
        self.entries.range(number.saturating_sub(self.forgotten).min(self.entries.len())..)
    }

    /// Lets go of all entries with smaller numbers.
    pub(crate) fn forget_before(&mut self, number: usize) {
        let count = number.saturating_sub(self.forgotten).min(self.entries.len());
        self.entries.drain(..count);
        self.forgotten += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_when_the_oldest_entries_go() {
        let mut newest = Newest::new(2);
        assert_eq!(["a", "b", "c"].map(|entry| newest.push(entry)), [0, 1, 2]);
        assert_eq!((newest.count(), newest.last()), (3, Some(&"c")));
        assert_eq!((newest.get_mut(0).copied(), newest.get_mut(2).copied()), (None, Some("c")));
        assert_eq!(newest.from(0).collect::<Vec<_>>(), [&"b", &"c"]);
        assert_eq!(newest.from(2).chain(newest.from(9)).collect::<Vec<_>>(), [&"c"]);
        newest.forget_before(9);
        assert_eq!((newest.from(0).count(), newest.push("d")), (0, 3));
    }
}
