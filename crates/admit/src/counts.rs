//! How often limits would have refused that are only watched.

use base::Window;

/// Limits that can be watched: the trailing windows, and calls at once.
const WATCHED: [Window; 6] = [
    Window::RequestsPerMinute,
    Window::RequestsPerHour,
    Window::RequestsPerDay,
    Window::TokensPerMinute,
    Window::TokensPerDay,
    Window::Concurrency,
];

/// A count for each of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts([u64; WATCHED.len()]);

impl Counts {
    pub(crate) fn note(&mut self, window: Window) {
        if let Some(place) = WATCHED.iter().position(|watched| *watched == window) {
            self.0[place] += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    pub(crate) fn of(&self, window: Window) -> u64 {
        WATCHED.iter().position(|watched| *watched == window).map_or(0, |place| self.0[place])
    }
}
