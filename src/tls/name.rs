//! The name of whom a certificate is for, out of its DER.

/// The first common name (CN) of a certificate's subject; `None` when there is none, or the bytes are no certificate.
pub fn common_name(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const OBJECT_ID: u8 = 0x06;
    const VERSION: u8 = 0xa0;
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let mut outer = Der(Der(certificate).take(SEQUENCE)?);
    let mut inner = Der(outer.take(SEQUENCE)?);
    if inner.0.first() == Some(&VERSION) {
        inner.any()?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        inner.any()?;
    }
    let mut subject = Der(inner.take(SEQUENCE)?);
    while !subject.0.is_empty() {
        let mut names = Der(subject.take(SET)?);
        while !names.0.is_empty() {
            let mut name = Der(names.take(SEQUENCE)?);
            if name.take(OBJECT_ID)? == COMMON_NAME {
                return name.any().map(|(_, text)| text);
            }
        }
    }
    None
}

/// Values one behind another, each a tag, a length and its bytes.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The bytes of the next value, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, bytes) = self.any()?;
        (found == tag).then_some(bytes)
    }

    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk::<2>()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let digits = usize::from(first & 0x7f);
            // No certificate is as long as 4 bytes of length would say.
            if !(1..=3).contains(&digits) {
                return None;
            }
            let (number, behind) = rest.split_at_checked(digits)?;
            len = number
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = behind;
        }
        let (bytes, behind) = rest.split_at_checked(len)?;
        self.0 = behind;
        Some((tag, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_in_the_subject() {
        let name = |text: &[u8]| {
            let value = [&[0x06, 3, 0x55, 4, 3, 0x0c, text.len() as u8], text].concat();
            let pair = [&[0x30, value.len() as u8], &value[..]].concat();
            let set = [&[0x31, pair.len() as u8], &pair[..]].concat();
            [&[0x30, set.len() as u8], &set[..]].concat()
        };
        let fields = [
            &[0xa0, 3, 2, 1, 2, 2, 1, 9, 0x30, 0][..],
            &name(b"issuer"),
            &[0x30, 0],
            &name(b"alice"),
        ]
        .concat();
        let inner = [&[0x30, 0x81, fields.len() as u8], &fields[..]].concat();
        let whole = [&[0x30, 0x82, 0, inner.len() as u8], &inner[..]].concat();
        assert_eq!(common_name(&whole), Some(&b"alice"[..]));
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None, "cut at {end}");
        }
    }
}
