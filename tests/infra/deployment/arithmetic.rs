//! Operators.

use super::Value;

pub(super) fn not(value: Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        other => Value::Unknown(format!("!{other}").replace(['‹', '›'], "")),
    }
}

pub(super) fn binary(left: Value, operator: &str, right: impl FnOnce() -> Value) -> Value {
    match (operator, &left) {
        ("&&", Value::Bool(false)) | ("||", Value::Bool(true)) => return left,
        ("&&", Value::Bool(true)) | ("||", Value::Bool(false)) => return right(),
        ("??", Value::Null) => return right(),
        ("??", _) => return left,
        _ => {}
    }
    let right = right();
    if left.is_unknown() || right.is_unknown() {
        return Value::Unknown(format!("{left} {operator} {right}").replace(['‹', '›'], ""));
    }
    match (operator, &left, &right) {
        ("==", ..) => Value::Bool(left == right),
        ("!=", ..) => Value::Bool(left != right),
        ("=~", Value::Text(a), Value::Text(b)) => Value::Bool(a.eq_ignore_ascii_case(b)),
        ("!~", Value::Text(a), Value::Text(b)) => Value::Bool(!a.eq_ignore_ascii_case(b)),
        (_, Value::Number(a), Value::Number(b)) => numbers(*a, operator, *b),
        _ => Value::Unknown(format!("{left} {operator} {right}")),
    }
}

fn numbers(a: i64, operator: &str, b: i64) -> Value {
    let number = |result: Option<i64>| result.map_or(Value::Unknown(format!("{a} {operator} {b}")), Value::Number);
    match operator {
        "+" => number(a.checked_add(b)),
        "-" => number(a.checked_sub(b)),
        "*" => number(a.checked_mul(b)),
        "/" => number(a.checked_div(b)),
        "%" => number(a.checked_rem(b)),
        "<" => Value::Bool(a < b),
        "<=" => Value::Bool(a <= b),
        ">" => Value::Bool(a > b),
        ">=" => Value::Bool(a >= b),
        _ => Value::Unknown(format!("{a} {operator} {b}")),
    }
}

/// Of a choice that Azure makes, a secret on either side makes a secret.
pub(super) fn choice(condition: Value, yes: impl FnOnce() -> Value, no: impl FnOnce() -> Value) -> Value {
    match condition {
        Value::Bool(true) => yes(),
        Value::Bool(false) => no(),
        condition => {
            let (yes, no) = (yes(), no());
            let name = format!("{condition} ? {yes} : {no}").replace(['‹', '›'], "");
            if yes.is_secret() || no.is_secret() { Value::secret(&name) } else { Value::Unknown(name) }
        }
    }
}
