//! Paths and edits against a second evaluator over `serde_json::Value`, and input that means no good.

use serde_json::{Value, json};

use super::canonical::canonical;
use super::edit::{EditError, array_append, merge, outermost, remove, rewrite};
use super::path::Path;
use super::select::{Match, select, select_within};
use super::{DEPTH_MAX, Json, text};
use crate::keyspace::Rng;

const CASES: u64 = 3000;
const NAMES: [&str; 5] = ["a", "b", "c", "n n", "é\"'"];

fn below(rng: &mut Rng, n: usize) -> usize {
    usize::try_from(rng.below(n as u64)).expect("it is below a usize")
}

/// Names come in the order of the alphabet, which is the one that `Value` keeps.
fn value(rng: &mut Rng, depth: usize) -> Value {
    let kind = match depth {
        0 => 6 + below(rng, 6),
        1..=4 => below(rng, 12),
        _ => below(rng, 6),
    };
    match kind {
        0 => Value::Null,
        1 => json!(below(rng, 2) == 0),
        2 | 3 => json!(below(rng, 4)),
        4 => json!(below(rng, 4) as f64 + 0.5),
        5 => json!(["", "x", "y\"z", "ä\n"][below(rng, 4)]),
        6..=8 => (0..below(rng, 5)).map(|_| value(rng, depth + 1)).collect(),
        _ => {
            let names: Vec<&str> = NAMES.into_iter().filter(|_| below(rng, 3) > 0).collect();
            names
                .into_iter()
                .map(|name| (name.to_owned(), value(rng, depth + 1)))
                .collect()
        }
    }
}

// ---- the second evaluator ---------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Name(String),
    Index(usize),
}

#[derive(Debug)]
enum Selector {
    Names(Vec<&'static str>),
    Indices(Vec<i64>),
    Slice(Option<i64>, Option<i64>, usize),
    All,
    /// `@.name op number`, and whether its opposite in another member is as good.
    Filter(&'static str, &'static str, i64, Option<&'static str>),
}

#[derive(Debug)]
struct Spoken {
    descends: bool,
    selector: Selector,
}

fn children(value: &Value) -> Vec<(Part, &Value)> {
    match value {
        Value::Array(elements) => {
            let part = |(at, element)| (Part::Index(at), element);
            elements.iter().enumerate().map(part).collect()
        }
        Value::Object(members) => {
            let part = |(name, member): (&String, _)| (Part::Name(name.clone()), member);
            members.iter().map(part).collect()
        }
        _ => Vec::new(),
    }
}

fn chosen<'v>(selector: &Selector, value: &'v Value) -> Vec<(Option<Part>, &'v Value)> {
    let index = |index: i64, len: usize| if index < 0 { index + len as i64 } else { index };
    let is_true = |value: &Value| match selector {
        Selector::Filter(name, op, number, or) => {
            let holds = value.get(name).and_then(Value::as_f64).map(|left| {
                let right = *number as f64;
                match *op {
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    ">=" => left >= right,
                    "==" => left == right,
                    _ => left != right,
                }
            });
            holds.unwrap_or(*op == "!=") || or.is_some_and(|name| value.get(name).is_some())
        }
        _ => true,
    };
    match (selector, value) {
        (Selector::Names(names), Value::Object(members)) => names
            .iter()
            .filter_map(|name| Some((Some(Part::Name(name.to_string())), members.get(*name)?)))
            .collect(),
        (Selector::Indices(indices), Value::Array(elements)) => indices
            .iter()
            .filter_map(|wanted| {
                let at = usize::try_from(index(*wanted, elements.len())).ok()?;
                Some((Some(Part::Index(at)), elements.get(at)?))
            })
            .collect(),
        (Selector::Slice(start, end, step), Value::Array(elements)) => {
            let len = elements.len();
            let inside = |wanted: i64| index(wanted, len).clamp(0, len as i64) as usize;
            let (start, end) = (start.map_or(0, inside), end.map_or(len, inside));
            (start..end)
                .step_by(*step)
                .map(|at| (Some(Part::Index(at)), &elements[at]))
                .collect()
        }
        (Selector::All | Selector::Filter(..), Value::Array(_) | Value::Object(_)) => {
            children(value)
                .into_iter()
                .filter(|(_, child)| is_true(child))
                .map(|(part, child)| (Some(part), child))
                .collect()
        }
        (Selector::Filter(..), _) if is_true(value) => vec![(None, value)],
        _ => Vec::new(),
    }
}

fn evaluate(value: &Value, at: &[Part], steps: &[Spoken], found: &mut Vec<Vec<Part>>) {
    let Some((step, rest)) = steps.split_first() else {
        return found.push(at.to_vec());
    };
    for (part, child) in chosen(&step.selector, value) {
        let at: Vec<Part> = at.iter().cloned().chain(part).collect();
        evaluate(child, &at, rest, found);
    }
    if step.descends {
        for (part, child) in children(value) {
            let at: Vec<Part> = at.iter().cloned().chain([part]).collect();
            evaluate(child, &at, steps, found);
        }
    }
}

fn at<'v>(value: &'v mut Value, place: &[Part]) -> Option<&'v mut Value> {
    place.iter().try_fold(value, |value, part| match part {
        Part::Name(name) => value.get_mut(name),
        Part::Index(index) => value.get_mut(*index),
    })
}

fn quoted(rng: &mut Rng, name: &str) -> String {
    let quote = ["\"", "'"][below(rng, 2)];
    format!(
        "{quote}{}{quote}",
        name.replace(quote, &format!("\\{quote}"))
    )
}

fn spoken(rng: &mut Rng, out: &mut String) -> Spoken {
    let descends = below(rng, 4) == 0;
    if descends {
        out.push_str("..");
    }
    let number = |rng: &mut Rng| below(rng, 9) as i64 - 4;
    let selector = match below(rng, 9) {
        0..=2 => {
            let name = NAMES[below(rng, 3)];
            out.push_str(if descends { "" } else { "." });
            out.push_str(name);
            Selector::Names(vec![name])
        }
        3 => {
            let names: Vec<_> = (0..1 + below(rng, 2))
                .map(|_| NAMES[below(rng, 5)])
                .collect();
            let all: Vec<_> = names.iter().map(|name| quoted(rng, name)).collect();
            out.push_str(&format!("[{}]", all.join(" , ")));
            Selector::Names(names)
        }
        4 => {
            let indices: Vec<_> = (0..1 + below(rng, 2)).map(|_| number(rng)).collect();
            let all: Vec<_> = indices.iter().map(i64::to_string).collect();
            out.push_str(&format!("[{}]", all.join(",")));
            Selector::Indices(indices)
        }
        5 => {
            let start = (below(rng, 2) == 0).then(|| number(rng));
            let end = (below(rng, 2) == 0).then(|| number(rng));
            let step = 1 + below(rng, 3);
            let show = |end: Option<i64>| end.map_or(String::new(), |end| end.to_string());
            out.push_str(&format!("[{}:{}:{step}]", show(start), show(end)));
            Selector::Slice(start, end, step)
        }
        6 => {
            out.push_str(if descends { "*" } else { ".*" });
            Selector::All
        }
        7 => {
            out.push_str("[*]");
            Selector::All
        }
        _ => {
            let name = NAMES[below(rng, 3)];
            let op = ["<", "<=", ">", ">=", "==", "!="][below(rng, 6)];
            let number = below(rng, 4) as i64;
            let or = (below(rng, 3) == 0).then(|| NAMES[below(rng, 3)]);
            match or {
                Some(or) => out.push_str(&format!("[?(@.{name}{op}{number} || (@.{or} && true))]")),
                None => out.push_str(&format!("[?@['{name}'] {op} {number}]")),
            }
            Selector::Filter(name, op, number, or)
        }
    };
    Spoken { descends, selector }
}

/// A document, its text, a path, what it selects by the second evaluator, and by the first.
struct Case {
    value: Value,
    text: Vec<u8>,
    shown: String,
    places: Vec<Vec<Part>>,
    matches: Vec<Match>,
}

fn case(rng: &mut Rng) -> Case {
    let value = value(rng, 0);
    let text = value.to_string().into_bytes();
    let mut shown = "$".to_owned();
    let steps: Vec<_> = (0..below(rng, 4))
        .map(|_| spoken(rng, &mut shown))
        .collect();
    let path = Path::parse(shown.as_bytes()).expect("it is a path");
    let mut places = Vec::new();
    evaluate(&value, &[], &steps, &mut places);
    let matches = select(&text, &path).expect("it is not much");
    Case {
        value,
        text,
        shown,
        places,
        matches,
    }
}

#[test]
fn paths_select_what_a_second_evaluator_selects() {
    let mut selected = 0;
    for seed in 0..CASES {
        let mut rng = Rng::seeded(seed);
        let mut case = case(&mut rng);
        let expected: Vec<String> = case
            .places
            .iter()
            .map(|place| {
                at(&mut case.value, place)
                    .expect("it was found")
                    .to_string()
            })
            .collect();
        let got: Vec<&str> = case
            .matches
            .iter()
            .map(|one| std::str::from_utf8(&case.text[one.value.clone()]).expect("text"))
            .collect();
        selected += got.len();
        assert_eq!(
            got, expected,
            "seed {seed}: {} in {}",
            case.shown, case.value
        );
    }
    assert!(selected as u64 > CASES, "hardly anything was selected");
}

/// The places that are within no other, each once.
fn outer(places: &[Vec<Part>]) -> Vec<Vec<Part>> {
    let mut outer: Vec<Vec<Part>> = Vec::new();
    for place in places {
        let is_inner = places
            .iter()
            .any(|other| other.len() < place.len() && place.starts_with(other));
        if !is_inner && !outer.contains(place) {
            outer.push(place.clone());
        }
    }
    outer
}

fn naive_merge(value: &mut Value, patch: &Value) {
    let Value::Object(patches) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, new) in patches {
        if new.is_null() {
            value.as_object_mut().expect("an object").remove(name);
        } else {
            naive_merge(&mut value[name], new);
        }
    }
}

#[test]
fn edits_do_what_they_do_to_a_tree() {
    let parsed = |text: &[u8]| -> Value { serde_json::from_slice(text).expect("JSON") };
    for seed in 0..CASES {
        let mut rng = Rng::seeded(seed);
        let case = case(&mut rng);
        let told = format!("seed {seed}: {} in {}", case.shown, case.value);
        // Values within others are edited before those.
        let mut deepest_first = case.places.clone();
        deepest_first.sort_by_key(|place| std::cmp::Reverse(place.len()));

        let patch = value(&mut rng, 3);
        let patch_text = patch.to_string();
        let mut expected = case.value.clone();
        for place in &deepest_first {
            naive_merge(at(&mut expected, place).expect("a place"), &patch);
        }
        let merged = rewrite(&case.text, &case.matches, usize::MAX, &mut |_, old, out| {
            merge(Some(old), patch_text.as_bytes(), out);
            Ok(())
        });
        assert_eq!(
            parsed(&merged.expect("no limit")),
            expected,
            "{told}, {patch}"
        );

        let mut expected = case.value.clone();
        for place in &deepest_first {
            if let Some(Value::Array(elements)) = at(&mut expected, place) {
                elements.extend([json!(1), json!({})]);
            }
        }
        let appended = rewrite(&case.text, &case.matches, usize::MAX, &mut |_, old, out| {
            if old.starts_with(b"[") {
                array_append(old, b"1,{}", out);
            } else {
                out.extend_from_slice(old);
            }
            Ok(())
        });
        assert_eq!(parsed(&appended.expect("no limit")), expected, "{told}");

        let mut outer = outer(&case.places);
        if outer.iter().all(|place| !place.is_empty()) {
            // Those further back go first, so that the places of the others stay right.
            outer.sort_by_key(|place| {
                let index = |part: &Part| match part {
                    Part::Index(index) => *index,
                    Part::Name(_) => 0,
                };
                std::cmp::Reverse(place.iter().map(index).collect::<Vec<_>>())
            });
            let mut expected = case.value.clone();
            for place in &outer {
                let (last, before) = place.split_last().expect("not the root");
                match (at(&mut expected, before).expect("a parent"), last) {
                    (Value::Array(elements), Part::Index(at)) => drop(elements.remove(*at)),
                    (Value::Object(members), Part::Name(name)) => drop(members.remove(name)),
                    (parent, part) => panic!("{part:?} in {parent}"),
                }
            }
            let matches = outermost(case.matches);
            assert_eq!(matches.len(), outer.len(), "{told}");
            assert_eq!(parsed(&remove(&case.text, &matches)), expected, "{told}");
        }
    }
}

#[test]
fn canonical_text_means_the_same_and_is_the_shortest() {
    let mut compared = 0;
    for seed in 0..CASES {
        let mut rng = Rng::seeded(seed);
        let value = value(&mut rng, 0);
        let compact = value.to_string();
        // The same with blanks, with names that come twice and with escapes that are not needed.
        let mut spaced = String::new();
        let mut is_string = false;
        let mut escaped = false;
        for byte in compact.chars() {
            match byte {
                '"' if !escaped => is_string = !is_string,
                '{' if below(&mut rng, 2) == 0 && !is_string => {
                    spaced.push_str("{\"\\u0061\" :1 ,")
                }
                _ => {}
            }
            escaped = byte == '\\' && !escaped;
            match byte {
                '{' if spaced.ends_with(',') => {}
                'x' => spaced.push_str("\\u0078"),
                '}' if spaced.ends_with(',') => {
                    spaced.pop();
                    spaced.push('}');
                }
                byte => spaced.push(byte),
            }
            if !is_string
                && below(&mut rng, 3) == 0
                && !byte.is_alphanumeric()
                && byte != '.'
                && byte != '-'
            {
                spaced.push_str([" ", "\n", "\t ", "\r\n"][below(&mut rng, 4)]);
            }
        }
        let Ok(meaning) = serde_json::from_str::<Value>(&spaced) else {
            continue;
        };
        compared += 1;
        let canonical = canonical(spaced.as_bytes()).expect("it is not deep");
        // "a" comes first, wherever it stood, so that the order of names is still that of the alphabet.
        assert_eq!(
            String::from_utf8_lossy(&canonical),
            meaning.to_string(),
            "seed {seed}: {spaced}"
        );
        assert_eq!(
            super::canonical::canonical(&canonical),
            Some(canonical.clone())
        );
        assert_eq!(text::end_of(&canonical, 0), canonical.len());
    }
    assert!(compared > CASES / 2, "{compared}");
}

#[test]
fn numbers_keep_their_spelling_and_doubles_their_last_value() {
    let canonical = |text: &str| {
        String::from_utf8(Json::parse_canonical(text.as_bytes()).expect("JSON")).expect("text")
    };
    assert_eq!(
        canonical("[1.0, -0, 1E400, 123456789012345678901234567890]"),
        "[1.0,-0,1E400,123456789012345678901234567890]"
    );
    let many: Vec<String> = (0..50)
        .map(|at| format!("\"{}\" : {at}", at % 20))
        .collect();
    let last: Vec<String> = (0..20)
        .map(|at| format!("\"{at}\":{}", if at < 10 { at + 40 } else { at + 20 }))
        .collect();
    assert_eq!(
        canonical(&format!("{{{}}}", many.join(","))),
        format!("{{{}}}", last.join(","))
    );
    assert_eq!(
        canonical(r#"{"a":1,"b":{"a":1,"a":[2]},"a":3}"#),
        r#"{"a":3,"b":{"a":[2]}}"#
    );
    assert_eq!(
        canonical(r#" "\/\u00e9\ud83d\ude00\u0007" "#),
        "\"/é😀\\u0007\""
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes();
    assert!(Json::parse(&nested(DEPTH_MAX)).is_ok());
    assert!(Json::parse(&nested(DEPTH_MAX + 1)).is_err());
    assert!(Json::parse(&nested(3_000_000)).is_err());
    assert_eq!(text::depth(&nested(77)), 77);
}

#[test]
fn whatever_is_written_as_a_path_is_read_or_refused() {
    const PARTS: [&str; 34] = [
        "$",
        ".",
        "..",
        "[",
        "]",
        "'",
        "\"",
        "*",
        "?",
        "@",
        "(",
        ")",
        "&&",
        "||",
        "==",
        "<",
        ">=",
        "0",
        "1",
        "-",
        "99999999999999999999",
        ":",
        ",",
        "a",
        "\\",
        " ",
        "é",
        "true",
        "null",
        "1.5",
        "\\'",
        "[0]",
        "['a']",
        "?(@.a",
    ];
    let mut read = 0;
    for seed in 0..CASES * 10 {
        let mut rng = Rng::seeded(seed);
        let path: String = std::iter::once("$")
            .chain((0..below(&mut rng, 9)).map(|_| PARTS[below(&mut rng, PARTS.len())]))
            .collect();
        match Path::parse(path.as_bytes()) {
            Ok(path) => {
                read += 1;
                let _ = select(br#"{"a":[1,{"a":[]},"x"]}"#, &path);
            }
            Err(error) => assert!(error.at <= path.len() + 2, "{path}: {error}"),
        }
    }
    assert!(read > CASES / 2, "{read}");
    for (part, times) in [
        ("..a", 100_000),
        ("[?(@)]", 100_000),
        ("[?(", 100_000),
        ("[?@", 100_000),
        ("(", 7),
    ] {
        let path = format!("${}", part.repeat(times));
        assert!(Path::parse(path.as_bytes()).is_err(), "{part}");
    }
    assert!(Path::parse(b"$.\xff").is_err());
}

#[test]
fn a_path_that_selects_without_end_is_given_up() {
    let row = format!("[{}]", vec!["[[1,2],[3,4]]"; 300].join(","));
    let text = format!("[{}]", vec![row; 20].join(","));
    let path = Path::parse(b"$..[*]..[*]..[*]..[*]..[*]").expect("a path");
    assert!(select_within(text.as_bytes(), &path, 1 << 20).is_err());
    let path = Path::parse(format!("${}", "[0,0,0,0,0,0,0,0,0,0]".repeat(9)).as_bytes());
    let nested = ["[".repeat(20), "]".repeat(20)].concat();
    assert!(select_within(nested.as_bytes(), &path.expect("a path"), 1 << 20).is_err());
    let path = Path::parse(b"$..*").expect("a path");
    let found = select_within(text.as_bytes(), &path, 16 << 20).expect("that is little");
    assert_eq!(found.len(), 20 + 20 * 300 * 7);
}

#[test]
fn an_edit_has_a_limit() {
    let text = b"[0,0,0,0]";
    let path = Path::parse(b"$[*]").expect("a path");
    let matches = select(text, &path).expect("four");
    let value = [b'1'; 100];
    let edited = |len_max| {
        rewrite(text, &matches, len_max, &mut |_, _, out| {
            out.extend_from_slice(&value);
            Ok(())
        })
    };
    assert_eq!(edited(404).map(|text| text.len()), Err(EditError::TooLong));
    assert_eq!(edited(405).map(|text| text.len()), Ok(405));
}
