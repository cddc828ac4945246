//! Arithmetic in decimals, as OPA has it: `0.1 + 0.2` is `0.3`. What is no number is undefined, and not an error.

use regorus::Value;

/// A number as digits and how many of them are behind the point.
type Decimal = (i128, u32);

/// How many digits may stand behind the point.
const FINEST: u32 = 18;

/// Returns what an operator makes of two values.
pub(super) fn calculate(operator: &str, values: &[Value]) -> Value {
    match values {
        [Value::Set(left), Value::Set(right)] if operator == "-" => {
            let rest = left.iter().filter(|value| !right.contains(value)).cloned();
            rest.collect::<std::collections::BTreeSet<_>>().into()
        }
        [Value::Number(left), Value::Number(right)] => {
            let exact = decimal(&left.format_decimal()).zip(decimal(&right.format_decimal()));
            if let Some(value) = exact.and_then(|(left, right)| exactly(operator, left, right)) {
                return value;
            }
            if matches!(operator, "/" | "%") && right.as_f64() == Some(0.0) {
                return Value::Undefined;
            }
            let result = match operator {
                "+" => left.add(right),
                "-" => left.sub(right),
                "*" => left.mul(right),
                "/" => left.clone().divide(right),
                _ if left.is_integer() && right.is_integer() => left.clone().modulo(right),
                _ => return Value::Undefined,
            };
            result.map_or(Value::Undefined, Value::from)
        }
        _ => Value::Undefined,
    }
}

/// Reads a number; none for one that is too long.
fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= FINEST)?;
    Some((format!("{whole}{fraction}").parse().ok()?, scale))
}

/// Calculates where no digit gets lost; none where the engine has to.
fn exactly(operator: &str, left: Decimal, right: Decimal) -> Option<Value> {
    let scale = left.1.max(right.1);
    let scaled = |(digits, own): Decimal| digits.checked_mul(10_i128.checked_pow(scale - own)?);
    let (digits, scale) = match operator {
        "+" => (scaled(left)?.checked_add(scaled(right)?)?, scale),
        "-" => (scaled(left)?.checked_sub(scaled(right)?)?, scale),
        "*" => (left.0.checked_mul(right.0)?, left.1 + right.1),
        "/" => {
            let (left, right) = (scaled(left)?, scaled(right)?);
            (
                left.checked_div(right).filter(|_| left.checked_rem(right) == Some(0))?,
                0,
            )
        }
        _ if left.1 == 0 && right.1 == 0 => (left.0.checked_rem(right.0)?, 0),
        _ => return None,
    };
    let sign = if digits < 0 { "-" } else { "" };
    let places = usize::try_from(scale).ok()?;
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
    let (whole, fraction) = text.split_at_checked(text.len() - places)?;
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Value::from_numeric_string(&format!("{sign}{whole}{point}{fraction}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_keep_every_digit() {
        let number = |text: &str| Value::from_numeric_string(text).unwrap();
        let cases = [
            ("0.1", "+", "0.2", "0.3"),
            ("100", "-", "0.1", "99.9"),
            ("2.1", "*", "3", "6.3"),
            ("-0.5", "*", "0.5", "-0.25"),
            ("10", "/", "4", "2.5"),
            ("0.3", "/", "0.1", "3"),
            ("-7", "%", "3", "-1"),
            ("9223372036854775807", "+", "1", "9223372036854775808"),
            (
                "12345678901234567890",
                "*",
                "1000000000000000000000",
                "12345678901234567890000000000000000000000",
            ),
        ];
        for (left, operator, right, expected) in cases {
            let result = calculate(operator, &[number(left), number(right)]);
            assert_eq!(result, number(expected), "{left} {operator} {right}");
        }
        for (left, operator, right) in [("1", "/", "0"), ("1", "%", "0"), ("1.5", "/", "0"), ("5.5", "%", "2")] {
            let result = calculate(operator, &[number(left), number(right)]);
            assert_eq!(result, Value::Undefined, "{left} {operator} {right}");
        }
        assert_eq!(calculate("+", &["a".into(), number("1")]), Value::Undefined);
    }
}
