//! The attributes of a request in the protocol's form.

use super::text::decimal;

/// Puts `policy_test_time=SECONDS` before the blank line that ends `out`.
pub(super) fn add_test_time(out: &mut Vec<u8>, seconds: u64) {
    let blank = if out.ends_with(b"\r\n") { 2 } else { 1 };
    out.truncate(out.len() - blank);
    out.extend_from_slice(b"policy_test_time=");
    decimal(out, seconds);
    out.extend_from_slice(b"\n\n");
}

/// Requests that Postfix 3.7 sent.
#[cfg(test)]
pub(super) const RECORDED: &str = include_str!("../../../tests/data/postfix-3.7-requests.txt");

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The value of one attribute.
    pub(crate) fn value<'r>(request: &'r str, name: &str) -> &'r str {
        request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
    }

    #[test]
    fn the_test_time_stands_last() {
        for end in ["\n", "\r\n"] {
            let mut request = format!("request=smtpd_access_policy{end}sender={end}{end}").into_bytes();
            add_test_time(&mut request, 1_700_000_000);
            let wanted = format!("request=smtpd_access_policy{end}sender={end}policy_test_time=1700000000\n\n");
            assert_eq!(String::from_utf8(request).unwrap(), wanted);
        }
    }
}
