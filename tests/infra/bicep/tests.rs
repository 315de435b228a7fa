//! Reading what is written.

use super::{Expr, Kind, Piece, parse, parse_parameters};

/// An expression with every operand in brackets.
fn read(written: &str) -> String {
    let parsed = parse("test.bicep", &format!("var it = {written}\n"));
    let complaints: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
    assert!(complaints.is_empty(), "{written}: {complaints:?}");
    shown(&parsed.read.vars[0].value)
}

fn shown(expression: &Expr) -> String {
    match &expression.kind {
        Kind::Text(pieces) => {
            let piece = |piece: &Piece| match piece {
                Piece::Literal(text) => text.clone(),
                Piece::Inserted(inner) => format!("${{{}}}", shown(inner)),
            };
            format!("'{}'", pieces.iter().map(piece).collect::<String>())
        }
        Kind::Number(number) => number.to_string(),
        Kind::Name(name) => name.clone(),
        Kind::Member(object, name) => format!("[{}.{name}]", shown(object)),
        Kind::Sure(inner) => format!("{}!", shown(inner)),
        Kind::Index(object, index) => format!("[{}[{}]]", shown(object), shown(index)),
        Kind::Call(object, name, arguments) => {
            let object = object.as_ref().map(|object| format!("{}.", shown(object))).unwrap_or_default();
            format!("{object}{name}({})", arguments.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Kind::Not(inner) => format!("[!{}]", shown(inner)),
        Kind::Binary(left, operator, right) => format!("[{} {operator} {}]", shown(left), shown(right)),
        Kind::Choice(parts) => format!("[{} ? {} : {}]", shown(&parts[0]), shown(&parts[1]), shown(&parts[2])),
        _ => format!("{:?}", expression.kind),
    }
}

#[test]
fn a_member_belongs_to_the_operand_before_it() {
    assert_eq!(read("a * b.c"), "[a * [b.c]]");
    assert_eq!(read("a * b.c / d[0].e"), "[[a * [b.c]] / [[d[0]].e]]");
    assert_eq!(read("!a.b"), "[!a.b]".replace("a.b", "[a.b]"));
    assert_eq!(read("a ? b.c : d.e"), "[a ? [b.c] : [d.e]]");
    assert_eq!(read("a == b.f(c.d)"), "[a == b.f([c.d])]");
    assert_eq!(read("(a + b).c"), "[[a + b].c]");
    assert_eq!(read("a && (b || c).d"), "[a && [[b || c].d]]");
    assert_eq!(read("a!.b.c"), "[[a!.b].c]");
}

#[test]
fn strings_keep_every_character() {
    assert_eq!(read("'a ${b} c  ${d.e}-'"), "'a ${b} c  ${[d.e]}-'");
    assert_eq!(read(r"'it\'s a \\ and \${no}\n'"), "'it's a \\ and ${no}\n'");
    assert_eq!(read("'''\n two\nlines ${no}'''"), "' two\nlines ${no}'");
    assert_eq!(read("''"), "''");
}

#[test]
fn places_are_those_of_the_file_in_profiles_too() {
    let parsed = parse_parameters("a.bicepparam", "using 'main.bicep'\n\nparam one = 1\nparam two = missing(\n");
    assert_eq!(parsed.read.using, "main.bicep");
    assert!(parsed.problems.iter().any(|problem| problem.at.line >= 4), "{:?}", parsed.problems);
    let parsed = parse_parameters("a.bicepparam", "using 'main.bicep'\nparam one = 1\n");
    assert_eq!((parsed.read.values[0].at.line, parsed.read.values[0].value.at.column), (2, 13));
}
