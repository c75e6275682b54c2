//! Entries as pages for a browser: one a module, and a list of all. No script, nothing from elsewhere.

use std::fmt::Write as _;

use super::Entry;

/// What the pages look like, in light and dark.
const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.9em; }
pre { background: #8881; border-left: 3px solid #3b6fb6; padding: 0.6rem 0.8rem; overflow-x: auto; }
h2 { margin-top: 2.2rem; font-size: 1.15rem; } h2 small { font-weight: normal; opacity: 0.65; }
a { color: #3b6fb6; text-decoration: none; } a:hover { text-decoration: underline; }
dt { margin-top: 0.6rem; } dd { margin-left: 1.2rem; }
";

/// The page of a module with all its items.
pub fn page(module: &Entry, items: &[Entry]) -> String {
    let mut body = format!("<p><a href=\"index.html\">all modules</a></p>\n<h1>{}</h1>\n", escaped(&module.name));
    module.paragraphs.iter().for_each(|p| paragraph(p, &mut body));
    for item in items {
        let short = item.name.rsplit('.').next().unwrap_or(&item.name);
        // Writing to a String cannot fail.
        let _ = writeln!(body, "<h2 id=\"{0}\">{0} <small>{1}</small></h2>", escaped(short), escaped(&item.kind));
        let _ = writeln!(body, "<pre>{}</pre>", escaped(&item.signature));
        item.paragraphs.iter().for_each(|p| paragraph(p, &mut body));
        if !item.equations.is_empty() {
            let _ = writeln!(body, "<pre>{}</pre>", escaped(&item.equations.join("\n")));
        }
    }
    whole(&module.name, &body)
}

/// The list of modules, each by its file's name with its first sentence and its items.
pub fn index(title: &str, modules: &[(String, Entry, Vec<Entry>)]) -> String {
    let mut body = format!("<h1>{}</h1>\n<dl>\n", escaped(title));
    for (file, module, items) in modules {
        let link = |item: &Entry| {
            let short = escaped(item.name.rsplit('.').next().unwrap_or(&item.name));
            format!("<a href=\"{file}#{short}\"><code>{short}</code></a>")
        };
        let links: Vec<String> = items.iter().map(link).collect();
        let _ = writeln!(body, "<dt><a href=\"{file}\"><b>{}</b></a></dt>", escaped(&module.name));
        let text = module.paragraphs.first().map_or(String::new(), |p| marked(p));
        let _ = writeln!(body, "<dd>{text} {}</dd>", links.join(" · "));
    }
    body += "</dl>\n";
    whole(title, &body)
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{}</title>\n<style>{STYLE}</style>\n{body}</html>\n",
        escaped(title)
    )
}

fn paragraph(text: &str, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<p>{}</p>", marked(text));
}

/// Words between backticks as code.
fn marked(text: &str) -> String {
    let part = |(i, part): (usize, &str)| match i % 2 {
        1 => format!("<code>{}</code>", escaped(part)),
        _ => escaped(part),
    };
    text.split('`').enumerate().map(part).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
