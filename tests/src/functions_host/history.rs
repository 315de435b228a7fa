//! The newest of what has happened, with a bound for runs of a million.

use std::collections::VecDeque;

/// A list that forgets its oldest items beyond a bound but goes on counting.
#[derive(Debug)]
pub(super) struct History<T> {
    items: VecDeque<T>,
    forgotten: usize,
    most: usize,
}

impl<T: Clone> History<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { items: VecDeque::new(), forgotten: 0, most }
    }

    pub(super) fn push(&mut self, item: T) {
        self.items.push_back(item);
        while self.items.len() > self.most {
            self.items.pop_front();
            self.forgotten += 1;
        }
    }

    /// How many there have ever been.
    pub(super) fn count(&self) -> usize {
        self.forgotten + self.items.len()
    }

    /// The items left, from the `index`-th ever on.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = &T> {
        self.items.iter().skip(index.saturating_sub(self.forgotten))
    }

    pub(super) fn to_vec(&self) -> Vec<T> {
        self.items.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_items_are_forgotten_and_still_counted() {
        let mut history = History::new(2);
        for item in ["a", "b", "c"] {
            history.push(item);
        }
        assert_eq!((history.count(), history.to_vec()), (3, vec!["b", "c"]));
        assert_eq!(history.from(0).collect::<Vec<_>>(), [&"b", &"c"]);
        assert_eq!(history.from(2).collect::<Vec<_>>(), [&"c"]);
        assert_eq!(history.from(3).count(), 0);
    }
}
