//! Argument templates: `{name}` stands for a value, `{{` and `}}` for braces. No shell ever sees them.

use crate::error::Error;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    One(String),
    /// A list: an argument that is this name alone becomes as many arguments.
    Many(Vec<String>),
}

/// How deep a value may name other values.
const DEPTH: usize = 8;

/// Replaces the names in `templates`. `lookup` gives a name's value as a template again.
pub(crate) fn expand_all(
    place: &str,
    templates: &[String],
    lookup: &dyn Fn(&str) -> Option<Value>,
) -> Result<Vec<String>, Error> {
    let mut expanded = Vec::with_capacity(templates.len());
    for template in templates {
        let name = template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name.and_then(lookup) {
            Some(Value::Many(values)) => expanded.extend(values),
            _ => expanded.push(expand(place, template, lookup)?),
        }
    }
    Ok(expanded)
}

/// Replaces the names in one template; a list becomes its values with spaces between.
pub(crate) fn expand(place: &str, template: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<String, Error> {
    expand_to(place, template, lookup, DEPTH)
}

fn expand_to(
    place: &str,
    template: &str,
    lookup: &dyn Fn(&str) -> Option<Value>,
    depth: usize,
) -> Result<String, Error> {
    let unknown =
        |name: &str| Error::Template { place: place.to_owned(), template: template.to_owned(), name: name.to_owned() };
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let (name, after) = match rest.split_once('}') {
            Some(parts) if brace == "{" => parts,
            _ => return Err(unknown(brace)),
        };
        rest = after;
        match lookup(name) {
            // What a set's name or a path holds is data: only the plan's own variables name others.
            Some(Value::One(value)) if depth > 0 && value.contains('{') && value != format!("{{{name}}}") => {
                text.push_str(&expand_to(place, &value, lookup, depth - 1)?);
            }
            Some(Value::One(value)) => text.push_str(&value),
            Some(Value::Many(values)) => text.push_str(&values.join(" ")),
            None => return Err(unknown(name)),
        }
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<Value> {
        match name {
            "set" => Some(Value::One("a b; rm -rf /".into())),
            "ms" => Some(Value::One("{work}/{set}.ms".into())),
            "work" => Some(Value::One("/night".into())),
            "files" => Some(Value::Many(vec!["x".into(), "y z".into()])),
            "loop" => Some(Value::One("a{loop2}".into())),
            "loop2" => Some(Value::One("b{loop}".into())),
            "out" => Some(Value::One("{out}".into())),
            _ => None,
        }
    }

    #[test]
    fn names_become_values_and_lists_become_arguments() {
        let templates = ["{ms}", "--in={files}", "{files}", "{{literal}}", "{out}/x"].map(str::to_owned);
        let expanded = expand_all("stage", &templates, &lookup).expect("all names are known");
        assert_eq!(expanded, ["/night/a b; rm -rf /.ms", "--in=x y z", "x", "y z", "{literal}", "{out}/x"]);
    }

    #[test]
    fn unknown_names_and_single_braces_are_errors() {
        for bad in ["{nothing}", "{", "a}b", "{set", "{}"] {
            assert!(expand("stage", bad, &lookup).is_err(), "{bad}");
        }
        // A circle ends with a name that stays as it is written, rather than never.
        assert!(expand("stage", "{loop}", &lookup).is_ok());
    }
}
