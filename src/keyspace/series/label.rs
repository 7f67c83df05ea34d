//! Labels of a series, and the filter expressions that select series by them. It does not know how
//! the keyspace finds the series to test.

/// A label of a series: neither name nor value is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelPair {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// Why a label was refused; RedisTimeSeries has one text for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// The name is empty.
    EmptyName,
    /// The value is empty.
    EmptyValue,
    /// The value has one of `(`, `)`, `,`, which mean something in a filter.
    ReservedByte,
}

impl LabelPair {
    /// A label of this name and value.
    pub fn new(name: &[u8], value: &[u8]) -> Result<Self, LabelError> {
        if name.is_empty() {
            return Err(LabelError::EmptyName);
        }
        if value.is_empty() {
            return Err(LabelError::EmptyValue);
        }
        if value.iter().any(|byte| b"(),".contains(byte)) {
            return Err(LabelError::ReservedByte);
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }

    /// The label's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The label's value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The memory this label owns outside of itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.name.len() + self.value.len()
    }
}

/// One expression after `FILTER`: which series, by the value of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    name: Box<[u8]>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// `label=value`, `label=(a,b)`.
    In(Vec<Box<[u8]>>),
    /// `label!=value`, `label!=(a,b)`; a series without the label passes.
    NotIn(Vec<Box<[u8]>>),
    /// `label!=`.
    Present,
    /// `label=`.
    Absent,
}

/// Why an expression is no filter; RedisTimeSeries has one text for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelFilterError {
    /// There is no `=` in it.
    NoOperator,
    /// There is nothing before the operator.
    EmptyLabel,
    /// A list is not closed by the last byte.
    UnclosedList,
    /// A value in a list of several is empty.
    EmptyListValue,
}

impl LabelFilter {
    /// Parses `label=value`, `label!=value`, `label=`, `label!=`, `label=(a,b)`, `label!=(a,b)`.
    /// The first `=` is the operator; blanks and quotes mean themselves. An empty list `()` holds
    /// no value, so `label=()` selects nothing.
    pub fn parse(expression: &[u8]) -> Result<Self, LabelFilterError> {
        let operator = expression
            .iter()
            .position(|&byte| byte == b'=')
            .ok_or(LabelFilterError::NoOperator)?;
        let (left, right) = (&expression[..operator], &expression[operator + 1..]);
        let (name, negated) = match left.strip_suffix(b"!") {
            Some(name) => (name, true),
            None => (left, false),
        };
        if name.is_empty() {
            return Err(LabelFilterError::EmptyLabel);
        }
        let values = match right.strip_prefix(b"(") {
            Some(list) => Some(parse_list(list)?),
            None if right.is_empty() => None,
            None => Some(vec![right.into()]),
        };
        let test = match (values, negated) {
            (Some(values), false) => Test::In(values),
            (Some(values), true) => Test::NotIn(values),
            (None, false) => Test::Absent,
            (None, true) => Test::Present,
        };
        let name = name.into();
        Ok(Self { name, test })
    }

    /// Whether this filter names values a series must have. A query needs at least one such
    /// filter: the others select nearly everything.
    pub fn is_matcher(&self) -> bool {
        matches!(self.test, Test::In(_))
    }

    /// Whether a series with these labels passes.
    pub fn matches(&self, labels: &[LabelPair]) -> bool {
        let mut values = labels
            .iter()
            .filter(|label| label.name == self.name)
            .map(|label| &label.value);
        match &self.test {
            Test::In(wanted) => values.any(|value| wanted.contains(value)),
            Test::NotIn(unwanted) => !values.any(|value| unwanted.contains(value)),
            Test::Present => values.next().is_some(),
            Test::Absent => values.next().is_none(),
        }
    }
}

/// Parses what follows the opening parenthesis.
fn parse_list(list: &[u8]) -> Result<Vec<Box<[u8]>>, LabelFilterError> {
    let list = list
        .strip_suffix(b")")
        .ok_or(LabelFilterError::UnclosedList)?;
    if list.is_empty() {
        return Ok(Vec::new());
    }
    list.split(|&byte| byte == b',')
        .map(|value| match value {
            [] => Err(LabelFilterError::EmptyListValue),
            value => Ok(value.into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
        pairs
            .iter()
            .map(|(name, value)| LabelPair::new(name.as_bytes(), value.as_bytes()).unwrap())
            .collect()
    }

    #[test]
    fn labels_are_checked() {
        assert_eq!(LabelPair::new(b"", b"v"), Err(LabelError::EmptyName));
        assert_eq!(LabelPair::new(b"n", b""), Err(LabelError::EmptyValue));
        for value in [b"a,b", b"(ab", b"ab)"] {
            let refused = LabelPair::new(b"n", value);
            assert_eq!(refused, Err(LabelError::ReservedByte));
        }
        let odd = LabelPair::new(b"(n),=", b"a=b c").unwrap();
        assert_eq!((odd.name(), odd.value()), (&b"(n),="[..], &b"a=b c"[..]));
    }

    #[test]
    fn filters_select_series() {
        let series = [
            labels(&[]),
            labels(&[("site", "a")]),
            labels(&[("site", "b"), ("kind", "cpu")]),
            labels(&[("kind", "mem"), ("site", "c")]),
            labels(&[("kind", "a=b"), ("kind", "cpu")]),
        ];
        // Expression, is it a matcher, the series it selects.
        let cases: &[(&str, bool, &[usize])] = &[
            ("site=a", true, &[1]),
            ("site=A", true, &[]),
            ("site!=a", false, &[0, 2, 3, 4]),
            ("site=", false, &[0, 4]),
            ("site!=", false, &[1, 2, 3]),
            ("site=(a,c)", true, &[1, 3]),
            ("site=(a)", true, &[1]),
            ("site!=(a,c)", false, &[0, 2, 4]),
            ("site=()", true, &[]),
            ("site!=()", false, &[0, 1, 2, 3, 4]),
            ("kind=a=b", true, &[4]),
            ("kind=cpu", true, &[2, 4]),
            ("kind!=cpu", false, &[0, 1, 3]),
            ("kind= cpu", true, &[]),
        ];
        for (expression, matcher, selected) in cases {
            let filter = LabelFilter::parse(expression.as_bytes()).unwrap();
            assert_eq!(filter.is_matcher(), *matcher, "{expression}");
            let found: Vec<usize> = (0..series.len())
                .filter(|&i| filter.matches(&series[i]))
                .collect();
            assert_eq!(&found, selected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_filter() {
        use LabelFilterError::*;
        for (expression, error) in [
            ("", NoOperator),
            ("site", NoOperator),
            ("site!a", NoOperator),
            ("=a", EmptyLabel),
            ("!=a", EmptyLabel),
            ("site=(", UnclosedList),
            ("site=(a,b", UnclosedList),
            ("site=(a)b", UnclosedList),
            ("site=(a,,b)", EmptyListValue),
            ("site!=(,)", EmptyListValue),
        ] {
            let parsed = LabelFilter::parse(expression.as_bytes());
            assert_eq!(parsed, Err(error), "{expression}");
        }
    }
}
