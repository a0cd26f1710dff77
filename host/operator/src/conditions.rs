//! Conditions of a status: constant reasons, and a time of transition that changes with the status only.

use testbench_api::Condition;

/// `status`, reason and message of a condition.
pub(crate) type State = (&'static str, &'static str, String);

/// The conditions of a status on their way to the next one.
pub(crate) struct Conditions<'a> {
    before: &'a [Condition],
    kept: Vec<Condition>,
    generation: i64,
    now: &'a str,
}

impl<'a> Conditions<'a> {
    /// What was known `before` stays, until it is set. `now` is RFC 3339, in whole seconds.
    pub(crate) fn new(before: &'a [Condition], generation: i64, now: &'a str) -> Self {
        Self {
            before,
            kept: before.to_vec(),
            generation,
            now,
        }
    }

    /// Sets the condition `kind`, or removes it. The time of its last transition changes with its status only.
    pub(crate) fn set(&mut self, kind: &str, state: Option<State>) {
        let position = self
            .kept
            .iter()
            .position(|condition| condition.kind == kind);
        let Some((status, reason, message)) = state else {
            position.map(|position| self.kept.remove(position));
            return;
        };
        let since = self
            .before
            .iter()
            .find(|condition| condition.kind == kind && condition.status == status)
            .map_or(self.now, |condition| {
                condition.last_transition_time.as_str()
            });
        let condition = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: cut(message),
            last_transition_time: since.to_owned(),
            observed_generation: Some(self.generation),
        };
        match position {
            Some(position) => self.kept[position] = condition,
            None => self.kept.push(condition),
        }
    }

    pub(crate) fn finish(self) -> Vec<Condition> {
        self.kept
    }
}

/// A plugin that breaks many rules at once must not make a status that the API server refuses.
fn cut(mut message: String) -> String {
    const LONGEST: usize = 8 << 10;
    if message.len() > LONGEST {
        let mut end = LONGEST;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("ä€".repeat(9000));
        assert!(long.len() <= (8 << 10) + 3 && long.ends_with('…'));
    }
}
