//! What happened lately, for the status page: a short memory, gone with the process.

use std::collections::VecDeque;
use std::time::SystemTime;

/// How many events are remembered.
const MOST: usize = 50;

/// The last events, newest first when read.
#[derive(Debug, Default)]
pub struct History(VecDeque<(SystemTime, String)>);

impl History {
    /// Remembers an event, and forgets the oldest one.
    pub fn note(&mut self, event: String) {
        self.0.truncate(MOST - 1);
        self.0.push_front((SystemTime::now(), event));
    }

    /// The events and their times, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (SystemTime, &str)> {
        self.0.iter().map(|(at, event)| (*at, event.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_are_forgotten() {
        let mut history = History::default();
        for number in 0..MOST + 10 {
            history.note(number.to_string());
        }
        let events: Vec<&str> = history.iter().map(|(_, event)| event).collect();
        assert_eq!((events.len(), events[0], *events.last().unwrap()), (MOST, "59", "10"));
    }
}
