//! What expressions can call: the interpreter's functions, and ours where it has none or answers otherwise than Kubernetes.

use crate::rules::builtins;
use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::types::{DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, extensions};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

// No expression can write these names.
/// What a comprehension goes through: a list, or the keys of a map in their order. Counts them.
pub(super) const ITEMS: &str = "@items";
/// Where a field is looked for: what has no fields has not the one that is looked for.
pub(super) const FIELDS: &str = "@fields";
/// Whether a regular expression finds something, as RE2 has it.
pub(super) const MATCHES: &str = "@matches";
/// Replacing, with an end to how long a text becomes.
pub(super) const REPLACE: &str = "@replace";

/// How many members the comprehensions of one evaluation may go through.
const MOST_STEPS: usize = 1_000_000;
/// The longest text that replacing makes, in bytes.
const LONGEST_TEXT: usize = 4 << 20;

thread_local! {
    /// The steps of the evaluation on this thread.
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Begins an evaluation on this thread.
pub(super) fn start() {
    STEPS.set(0);
}

/// Whether the evaluation on this thread takes too long.
pub(super) fn is_too_much() -> bool {
    STEPS.get() > MOST_STEPS
}

fn count(steps: usize) -> Result<(), ExecutionError> {
    STEPS.set(STEPS.get().saturating_add(steps));
    if is_too_much() {
        return Err(ExecutionError::function_error("comprehension", "too many steps"));
    }
    Ok(())
}

/// Returns what all expressions are evaluated in.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut environment = Env::stdlib();
        // A function that could not be added would be unknown when it is called.
        let _ = environment.add_extension(extensions::strings);
        let _ = environment.add_extension(own);
        Arc::new(environment)
    });
    Arc::clone(&ENVIRONMENT)
}

fn own(environment: &mut Env) -> Result<(), DeclarationError> {
    environment.add_overload(ITEMS, "items", vec![DYN_TYPE], items)?;
    environment.add_overload(FIELDS, "fields", vec![DYN_TYPE], fields)?;
    environment.add_overload(MATCHES, "matches", vec![STRING_TYPE, STRING_TYPE], matches)?;
    let texts = || vec![STRING_TYPE, STRING_TYPE, STRING_TYPE];
    let some = texts().into_iter().chain([INT_TYPE]).collect();
    environment.add_overload(REPLACE, "replace", texts(), replace)?;
    environment.add_overload(REPLACE, "replace_some", some, replace)?;
    environment.add_member_overload("indexOf", "list_index", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    environment.add_member_overload(
        "lastIndexOf",
        "list_last_index",
        LIST_TYPE,
        vec![DYN_TYPE],
        last_index_of,
    )?;
    environment.add_member_overload("isSorted", "list_is_sorted", LIST_TYPE, vec![], is_sorted)?;
    environment.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], sum)?;
    environment.add_member_overload("min", "list_min", LIST_TYPE, vec![], min)?;
    environment.add_member_overload("max", "list_max", LIST_TYPE, vec![], max)?;
    Ok(())
}

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn missing<T>() -> Result<T, ExecutionError> {
    Err(ExecutionError::missing_argument_or_target())
}

fn items<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let Some(range) = arguments.into_iter().next() else {
        return missing();
    };
    if let Some(map) = range.downcast_ref::<CelMap>() {
        let mut keys: Vec<&CelMapKey> = map.inner().keys().collect();
        count(keys.len())?;
        // The interpreter has no order of its own.
        keys.sort_by_cached_key(|key| spelled(key));
        let keys = keys.into_iter().map(|key| key.inner().clone_as_boxed());
        return Ok(CowVal::owned(CelList::from(keys.collect::<Vec<_>>())));
    }
    let size = range.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    count(usize::try_from(size).unwrap_or_default())?;
    Ok(range)
}

/// Returns a key so that numbers stand in their order, and before texts.
fn spelled(key: &CelMapKey) -> (u8, i128, String) {
    match key {
        CelMapKey::Bool(value) => (0, i128::from(*value.inner()), String::new()),
        CelMapKey::Int(value) => (1, i128::from(*value.inner()), String::new()),
        CelMapKey::UInt(value) => (1, i128::from(*value.inner()), String::new()),
        CelMapKey::String(text) => (2, 0, text.inner().to_owned()),
    }
}

fn fields<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = arguments.into_iter().next() else {
        return missing();
    };
    if value.as_indexer().is_some() && value.downcast_ref::<CelList>().is_none() {
        return Ok(value);
    }
    if value.get_type().name().starts_with("optional") {
        return Ok(value);
    }
    Ok(CowVal::owned(CelMap::from(HashMap::new())))
}

fn text<'a>(arguments: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str, ExecutionError> {
    let text = arguments.get(at).and_then(|value| value.downcast_ref::<CelString>());
    text.map_or_else(missing, |text| Ok(text.inner()))
}

fn matches<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (value, pattern) = (text(&arguments, 0)?, text(&arguments, 1)?);
    match builtins::finds(pattern, value) {
        Some(found) => Ok(CowVal::owned(CelBool::from(found))),
        None => Err(ExecutionError::function_error("matches", "no regular expression")),
    }
}

fn replace<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (value, old, new) = (text(&arguments, 0)?, text(&arguments, 1)?, text(&arguments, 2)?);
    let wanted = arguments.get(3).and_then(|value| value.downcast_ref::<CelInt>());
    // A negative number is every occurrence.
    let wanted = wanted.map_or(usize::MAX, |wanted| {
        usize::try_from(*wanted.inner()).unwrap_or(usize::MAX)
    });
    let found = value.matches(old).take(wanted).count();
    if found.saturating_mul(new.len()).saturating_add(value.len()) > LONGEST_TEXT {
        return Err(ExecutionError::function_error("replace", "the text becomes too long"));
    }
    Ok(CowVal::owned(CelString::from(value.replacen(old, new, wanted))))
}

fn members<'a, 'v>(arguments: &'a [CowVal<'_, 'v>]) -> Result<Vec<&'a (dyn Val + 'v)>, ExecutionError> {
    let Some(list) = arguments.first().and_then(|list| list.as_iterable()) else {
        return missing();
    };
    let mut members = Vec::new();
    let mut rest = list.iter();
    while let Some(member) = rest.next() {
        members.push(member);
    }
    count(members.len())?;
    Ok(members)
}

fn position<'b, 'v>(at: Option<usize>) -> Answer<'b, 'v> {
    let at = at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1);
    Ok(CowVal::owned(CelInt::from(at)))
}

fn index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let Some(wanted) = arguments.get(1) else {
        return missing();
    };
    position(members(&arguments)?.iter().position(|one| one.equals(wanted.as_ref())))
}

fn last_index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let Some(wanted) = arguments.get(1) else {
        return missing();
    };
    position(members(&arguments)?.iter().rposition(|one| one.equals(wanted.as_ref())))
}

/// Whether the second of two is smaller.
fn is_smaller(than: &dyn Val, one: &dyn Val) -> Result<bool, ExecutionError> {
    let comparer = one.as_comparer();
    let order = comparer.map_or_else(missing, |comparer| comparer.compare(than))?;
    Ok(order.is_lt())
}

fn is_sorted<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let members = members(&arguments)?;
    for (one, next) in members.iter().zip(members.iter().skip(1)) {
        if is_smaller(*one, *next)? {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn sum<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let mut total: Option<CowVal<'_, 'v>> = None;
    for member in members(&arguments)? {
        total = Some(match total {
            None => CowVal::Owned(member.clone_as_boxed()),
            Some(total) => {
                let adder = total.as_adder();
                CowVal::Owned(adder.map_or_else(missing, |adder| adder.add(member))?.into_owned())
            }
        });
    }
    Ok(CowVal::Owned(total.map_or_else(
        || Box::new(CelInt::from(0)) as Box<dyn Val + 'v>,
        CowVal::into_owned,
    )))
}

fn least<'b, 'v>(arguments: &[CowVal<'_, 'v>], wants_greatest: bool) -> Answer<'b, 'v> {
    let mut found: Option<&(dyn Val + 'v)> = None;
    for member in members(arguments)? {
        let better = match found {
            None => true,
            Some(found) if wants_greatest => is_smaller(member, found)?,
            Some(found) => is_smaller(found, member)?,
        };
        if better {
            found = Some(member);
        }
    }
    match found {
        Some(found) => Ok(CowVal::Owned(found.clone_as_boxed())),
        None => Err(ExecutionError::function_error("min, max", "the list is empty")),
    }
}

fn min<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    least(&arguments, false)
}

fn max<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    least(&arguments, true)
}

/// Returns how large a value is, in characters and members, as far as a limit.
pub(super) fn weight(value: &dyn Val, limit: usize) -> usize {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return text.inner().len();
    }
    let mut total = 1;
    if let Some(list) = value.downcast_ref::<CelList>() {
        for member in list.inner() {
            total += weight(member.as_ref(), limit);
            if total > limit {
                break;
            }
        }
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        for member in map.inner().values() {
            total += weight(member.as_ref(), limit);
            if total > limit {
                break;
            }
        }
    }
    total
}
