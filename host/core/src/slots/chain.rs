//! The order of the chain: the slots, and between them what PhasePlugins place there.

use std::collections::{BTreeMap, BTreeSet};

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Behind this one.
    After(&'a str),
    /// Before this one.
    Before(&'a str),
}

impl<'a> Place<'a> {
    fn anchor(self) -> &'a str {
        match self {
            Self::After(anchor) | Self::Before(anchor) => anchor,
        }
    }
}

/// Why something has no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// It hangs on a name that nothing has: who names it, and the name.
    UnknownAnchor { by: String, anchor: String },
    /// These hang on each other.
    Cycle(Vec<String>),
}

/// Slots and placed names in one order. Of several that want the same place, the first by name comes first. What has no place is
/// left out; [`why_misplaced`] says why.
pub(super) fn order<'a>(slots: &[&'a str], placed: &BTreeMap<&'a str, Place<'a>>) -> Vec<&'a str> {
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, place) in placed {
        let side = match place {
            Place::Before(_) => &mut before,
            Place::After(_) => &mut after,
        };
        side.entry(place.anchor()).or_default().push(name);
    }
    // A stack and not recursion: a tenant decides how long a chain of anchors is.
    enum Todo<'a> {
        Around(&'a str),
        Itself(&'a str),
    }
    let mut todo: Vec<_> = slots.iter().rev().map(|slot| Todo::Around(slot)).collect();
    let mut chain = Vec::new();
    while let Some(next) = todo.pop() {
        match next {
            Todo::Itself(name) => chain.push(name),
            Todo::Around(name) => {
                let around = |side: &BTreeMap<&str, Vec<&'a str>>| {
                    side.get(name).cloned().unwrap_or_default()
                };
                // The last one that is pushed comes first.
                todo.extend(around(&after).into_iter().rev().map(Todo::Around));
                todo.push(Todo::Itself(name));
                todo.extend(around(&before).into_iter().rev().map(Todo::Around));
            }
        }
    }
    chain
}

/// Why `name`, which [`order`] left out, has no place.
pub(super) fn why_misplaced(name: &str, placed: &BTreeMap<&str, Place<'_>>) -> Misplaced {
    let mut seen = BTreeSet::new();
    let mut way = vec![name];
    loop {
        let last = way[way.len() - 1];
        let Some(place) = placed.get(last) else {
            let by = way[way.len().saturating_sub(2)];
            return Misplaced::UnknownAnchor {
                by: by.to_owned(),
                anchor: last.to_owned(),
            };
        };
        if !seen.insert(last) {
            let start = way.iter().position(|on_way| *on_way == last);
            let cycle = &way[start.unwrap_or_default()..way.len() - 1];
            let mut cycle: Vec<_> = cycle.iter().map(|name| (*name).to_owned()).collect();
            cycle.sort();
            return Misplaced::Cycle(cycle);
        }
        way.push(place.anchor());
    }
}

#[cfg(test)]
mod tests {
    use super::Place::{After, Before};
    use super::*;

    const SLOTS: &[&str] = &["setup", "run", "trigger"];

    #[test]
    fn each_stands_where_it_says_and_ties_sort_by_name() {
        for (placed, expected) in [
            (vec![], "setup run trigger"),
            (vec![("a", After("run"))], "setup run a trigger"),
            (vec![("a", Before("run"))], "setup a run trigger"),
            (
                vec![("b", After("run")), ("a", After("run"))],
                "setup run a b trigger",
            ),
            (
                vec![("b", Before("run")), ("a", Before("run"))],
                "setup a b run trigger",
            ),
            // Behind a, and before what comes behind run for its own sake.
            (
                vec![("a", After("run")), ("c", After("run")), ("b", After("a"))],
                "setup run a b c trigger",
            ),
            (
                vec![("a", After("run")), ("b", Before("a"))],
                "setup run b a trigger",
            ),
        ] {
            let placed = placed.into_iter().collect();
            assert_eq!(order(SLOTS, &placed).join(" "), expected);
        }
    }

    #[test]
    fn what_has_no_place_is_left_out_with_its_reason() {
        let placed = BTreeMap::from([
            ("a", After("b")),
            ("b", Before("a")),
            ("c", After("a")),
            ("d", After("nobody")),
            ("e", After("d")),
            ("f", After("f")),
        ]);
        assert_eq!(order(SLOTS, &placed), SLOTS);
        let cycle = |names: &[&str]| {
            Misplaced::Cycle(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let unknown = Misplaced::UnknownAnchor {
            by: "d".to_owned(),
            anchor: "nobody".to_owned(),
        };
        for (name, expected) in [
            ("a", cycle(&["a", "b"])),
            ("c", cycle(&["a", "b"])),
            ("f", cycle(&["f"])),
            ("d", unknown.clone()),
            ("e", unknown),
        ] {
            assert_eq!(why_misplaced(name, &placed), expected, "{name}");
        }
    }
}
