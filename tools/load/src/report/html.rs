//! The report as one page that needs nothing else: data, style and drawing code are all in it.

use super::Report;

const PAGE: &str = include_str!("page.html");

/// The page for one run or several, compared.
pub fn render(reports: &[Report], sweep: Option<&crate::sweep::Sweep>) -> String {
    let data = serde_json::json!({ "runs": reports, "sweep": sweep });
    // Inside a script element only `<` could end the data early.
    let data = data.to_string().replace('<', "\\u003c");
    PAGE.replacen("\"__DATA__\"", &data, 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_asks_for_nothing_from_outside_and_holds_its_data_safely() {
        let page = super::render(&[], None);
        for outside in [
            "src=", "href=", "@import", "url(", "fetch(", "http://", "https://",
        ] {
            let allowed = page.matches("http://www.w3.org/2000/svg").count();
            let found =
                page.matches(outside).count() - if outside == "http://" { allowed } else { 0 };
            assert_eq!(found, 0, "{outside}");
        }
        assert!(!page.contains("__DATA__"));
    }
}
