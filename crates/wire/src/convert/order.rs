//! Calls one after another, for dialects whose SDKs read what they say so: some providers write several at once, a piece of
//! each in turn.

use std::collections::{BTreeMap, VecDeque};

use super::said::Event;

/// Puts the events of a stream in order: what comes while the arguments of a call are not whole waits for them.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The call that came last, unless something else came since, and how far its arguments are.
    open: Option<(usize, Depth)>,
    waiting: VecDeque<Event>,
    /// What came of the arguments of the calls that wait.
    arguments: BTreeMap<usize, String>,
    /// Bytes that wait.
    pub(super) kept_bytes: usize,
}

impl Order {
    /// Takes an event and gives out those whose turn it is.
    pub(super) fn take(&mut self, event: Event, out: &mut impl FnMut(Event)) {
        match event {
            Event::End | Event::Problem(_) => {
                while !self.waiting.is_empty() {
                    // Its arguments never became whole.
                    self.open = None;
                    self.go_on(out);
                }
                out(event);
            }
            Event::Start { .. } | Event::Usage(_) | Event::Finish { .. } => out(event),
            // Of several choices only the first is told in these dialects.
            Event::Call { choice: 1.., .. } | Event::Arguments { choice: 1.., .. } => {}
            Event::Arguments { call, text, .. } => {
                self.argue(call, text, out);
                self.go_on(out);
            }
            event if self.is_busy() => self.wait(event),
            event => self.pass(event, out),
        }
    }

    fn is_busy(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, depth)| !depth.is_whole())
    }

    /// More arguments. What follows the whole ones of a call that is over is nothing to anybody.
    fn argue(&mut self, call: usize, text: String, out: &mut impl FnMut(Event)) {
        match &mut self.open {
            Some((open, depth)) if *open == call => {
                depth.add(&text);
                out(Event::Arguments { choice: 0, call, text });
            }
            _ => {
                if let Some(waiting) = self.arguments.get_mut(&call) {
                    self.kept_bytes += text.len();
                    waiting.push_str(&text);
                }
            }
        }
    }

    fn wait(&mut self, event: Event) {
        self.kept_bytes += size_of::<Event>() + event.text_bytes();
        if let Event::Call { call, .. } = &event {
            self.arguments.insert(*call, String::new());
        }
        self.waiting.push_back(event);
    }

    fn pass(&mut self, event: Event, out: &mut impl FnMut(Event)) {
        let call = if let Event::Call { call, .. } = &event { Some(*call) } else { None };
        self.open = call.map(|call| (call, Depth::default()));
        out(event);
        if let Some((call, text)) = call.and_then(|call| self.arguments.remove_entry(&call))
            && !text.is_empty()
        {
            self.argue(call, text, out);
        }
    }

    /// Gives out what waits, up to the next call whose arguments are not whole.
    fn go_on(&mut self, out: &mut impl FnMut(Event)) {
        while !self.is_busy()
            && let Some(event) = self.waiting.pop_front()
        {
            self.pass(event, out);
        }
        if self.waiting.is_empty() {
            self.kept_bytes = 0;
        }
    }
}

/// How deep in a JSON object the text so far ends.
#[derive(Debug, Default)]
struct Depth {
    has_begun: bool,
    levels: u64,
    in_string: bool,
    is_escaped: bool,
}

impl Depth {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => (self.has_begun, self.levels) = (true, self.levels + 1),
                b'}' | b']' => self.levels = self.levels.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_whole(&self) -> bool {
        self.has_begun && self.levels == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::super::said::Said;
    use super::*;

    fn ordered(events: &[Event]) -> Vec<Event> {
        let (mut order, mut out) = (Order::default(), Vec::new());
        events.iter().for_each(|event| order.take(event.clone(), &mut |event| out.push(event)));
        out
    }

    /// A few calls, cut anywhere and mixed; arguments of some are no JSON, or missing.
    fn mixed(random: &mut fastrand::Rng) -> Vec<Event> {
        let whole = ["{}", "{\"a\":\"}\\\"{\",\"b\":[{}]}", "", "{\"a\":", "no JSON", " {\"a\":1}\n"];
        let mut calls: Vec<(bool, &str)> = (0..random.usize(1..5)).map(|_| (false, whole[random.usize(..6)])).collect();
        let mut events = Vec::new();
        while calls.iter().any(|(has_begun, rest)| !has_begun || !rest.is_empty()) {
            if random.u8(..9) == 0 {
                events.push(Event::Text { choice: 0, text: "x".into() });
            }
            let call = random.usize(..calls.len());
            if calls[..call].iter().any(|(has_begun, _)| !has_begun) {
                continue;
            }
            let (has_begun, rest) = &mut calls[call];
            if !core::mem::replace(has_begun, true) {
                events.push(Event::Call { choice: 0, call, id: call.to_string(), name: "f".into(), signature: None });
            } else if !rest.is_empty() {
                let (piece, more) = rest.split_at(random.usize(1..=rest.len()));
                *rest = more;
                events.push(Event::Arguments { choice: 0, call, text: piece.to_owned() });
            }
        }
        events.push(Event::End);
        events
    }

    #[test]
    fn calls_come_one_after_another_and_say_the_same() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let events = mixed(&mut random);
            let out = ordered(&events);
            let mut open = None;
            for event in &out {
                match event {
                    Event::Arguments { call, .. } => assert_eq!(open, Some(*call), "{events:?}"),
                    Event::Call { call, .. } => open = Some(*call),
                    _ => open = None,
                }
            }
            // Blanks behind whole arguments may be lost.
            let trimmed = |events: Vec<Event>| format!("{:?}", Said::fold(events)).replace("\\n", "");
            assert_eq!(trimmed(out), trimmed(events.clone()), "{events:?}");
        }
    }

    #[test]
    fn nothing_waits_where_calls_do_not_mix() {
        let call = |call| Event::Call { choice: 0, call, id: String::new(), name: String::new(), signature: None };
        let more = |call, text: &str| Event::Arguments { choice: 0, call, text: text.into() };
        let text = Event::Text { choice: 0, text: "x".into() };
        let (mut order, mut count) = (Order::default(), 0);
        for event in
            [text.clone(), call(0), more(0, "{\"a\""), more(0, ":1}"), more(0, "\n"), call(1), more(1, "{}"), text]
        {
            order.take(event, &mut |_| count += 1);
        }
        assert_eq!((count, order.kept_bytes), (8, 0));
        order.take(call(2), &mut |_| count += 1);
        order.take(call(3), &mut |_| count += 1);
        order.take(more(3, "{}"), &mut |_| count += 1);
        let logprobs = Event::Logprobs { choice: 0, items: vec!["x".repeat(1_000)] };
        order.take(logprobs, &mut |_| count += 1);
        assert_eq!(count, 9);
        assert!(order.kept_bytes > 1_000);
        order.take(more(2, "{}"), &mut |_| count += 1);
        assert_eq!((count, order.kept_bytes), (13, 0));
        order.take(Event::Arguments { choice: 1, call: 2, text: "}".into() }, &mut |_| count += 1);
        assert_eq!(count, 13);
    }
}
