//! Text from a plugin, on its way to a person.

/// At most `max` bytes of `text`, on one line, without control characters.
pub(crate) fn clean(text: &str, max: usize) -> String {
    const CUT: &str = "…";
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    if text.len() <= max {
        return text.chars().map(printable).collect();
    }
    let mut end = max.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end]
        .chars()
        .map(printable)
        .chain(CUT.chars())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_printable() {
        assert_eq!(clean("a\x1b[31m\nb", 20), "a [31m b");
        for max in 3..20 {
            let cut = clean(&"ä€".repeat(10), max);
            assert!(cut.len() <= max && cut.ends_with('…'), "{max}: {cut}");
        }
    }
}
