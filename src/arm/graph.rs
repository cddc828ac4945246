//! Queries of Azure Resource Graph.
//!
//! Owns paging, batches of scopes, and when a result is refused as incomplete. Must not know what is queried.
//!
//! The first page says how many rows there are. Where more than one page follows they are asked for at once, each by the number of rows
//! before it; each begins with the last row of the one before, so that rows which came or went in between show, and are never lost.
//!
//! The limits are those of Microsoft's "Guidance for throttled requests in Azure Resource Graph" and "Working with large data sets".
//! Resource Graph lags behind writes: it finds objects, but never proves that a write took effect.

use super::answer::Answer;
use super::client::Client;
use super::error::{ArmError, ArmErrorKind};
use super::paging::unusable;
use super::request::{Call, Purpose};
use crate::model::Scope;
use azure_core::http::Method;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

const PATH: &str = "/providers/Microsoft.ResourceGraph/resources";
/// The most rows that one answer holds.
const LARGEST_PAGE: u32 = 1_000;
/// How many subscriptions or management groups one query should name at most.
const LARGEST_BATCH: usize = 300;
/// How many pages and batches are asked for at once; the client bounds all calls together.
const AT_ONCE: usize = 16;

/// How many bytes of pages are asked for at once, going by the first one: each is in memory until its rows are read.
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

/// Where a query looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphScope {
    /// Subscriptions by their GUIDs.
    Subscriptions(Vec<String>),
    /// Management groups by their names, with everything below them.
    ManagementGroups(Vec<String>),
}

impl From<&Scope> for GraphScope {
    /// Where Resource Graph looks for what is in a scope: a resource group is chosen from the rows of its subscription.
    fn from(scope: &Scope) -> GraphScope {
        match scope {
            Scope::ManagementGroup(name) => GraphScope::ManagementGroups(vec![name.clone()]),
            Scope::Subscription(id) | Scope::ResourceGroup(id, _) => GraphScope::Subscriptions(vec![id.clone()]),
        }
    }
}

/// A query of Resource Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphQuery {
    /// The text in the Kusto language. It must project `id` and order its rows without `take`, or large results cannot be paged.
    pub query: String,
    /// Where it looks.
    pub scope: GraphScope,
    /// Whether resources of the scopes above are returned as well, such as inherited policy assignments.
    pub with_scopes_above: bool,
}

impl Client {
    /// Returns all rows of a query as objects; whole, or an error.
    ///
    /// No scope means no rows: nothing is asked, for Azure would take it for "everything I can see".
    pub async fn resource_graph(&self, query: &GraphQuery) -> Result<Vec<Value>, ArmError> {
        self.resource_graph_of(query, &|row| row).await
    }

    /// As [`Client::resource_graph`], with what `read` makes of each row: that is done as each page comes, so that the documents of a large
    /// result are never in memory together.
    pub async fn resource_graph_of<T: Send>(
        &self,
        query: &GraphQuery,
        read: &(dyn Fn(Value) -> T + Sync),
    ) -> Result<Vec<T>, ArmError> {
        let (key, names) = match &query.scope {
            GraphScope::Subscriptions(ids) => ("subscriptions", ids),
            GraphScope::ManagementGroups(names) => ("managementGroups", names),
        };
        let mut seen = BTreeSet::new();
        let names: Vec<String> = names
            .iter()
            .filter(|name| seen.insert(name.to_ascii_lowercase()))
            .cloned()
            .collect();
        let batches = names.chunks(LARGEST_BATCH).map(<[String]>::to_vec);
        let batches: Vec<_> = batches.map(|batch| self.rows_in(query, (key, batch), read)).collect();
        let found: Vec<Vec<T>> = stream::iter(batches).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Returns the rows of a query in some scopes.
    async fn rows_in<T: Send>(
        &self,
        query: &GraphQuery,
        (key, scopes): (&str, Vec<String>),
        read: &(dyn Fn(Value) -> T + Sync),
    ) -> Result<Vec<T>, ArmError> {
        let filter = if query.with_scopes_above {
            "AtScopeAboveAndBelow"
        } else {
            "AtScopeAndBelow"
        };
        let body = |page: u32, start: Start| {
            let mut options = json!({"resultFormat": "objectArray", "$top": page, "authorizationScopeFilter": filter});
            let further = match start {
                Start::Beginning => None,
                Start::Token(token) => Some(("$skipToken", json!(token))),
                Start::After(rows) => Some(("$skip", json!(rows))),
            };
            if let (Some(options), Some((key, value))) = (options.as_object_mut(), further) {
                options.insert(key.to_owned(), value);
            }
            json!({ key: scopes, "query": query.query, "options": options })
        };
        let mut page = LARGEST_PAGE;
        loop {
            match self.pages(page, &|start| body(page, start), read).await {
                // The same options go with a token, so a smaller page starts from the beginning.
                Err(error) if error.has_code("ResponsePayloadTooLarge") && page > 1 => page /= 2,
                result => return result,
            }
        }
    }

    /// Returns the rows of all pages of a size; `body` makes the request for the page that starts somewhere.
    async fn pages<T: Send>(
        &self,
        size: u32,
        body: &(dyn Fn(Start) -> Value + Sync),
        read: &(dyn Fn(Value) -> T + Sync),
    ) -> Result<Vec<T>, ArmError> {
        let mut first = self.page(body(Start::Beginning), read).await?;
        if let Some(further) = self.pages_at_once(size, &first, body, read).await? {
            first.rows.extend(further);
            return Ok(first.rows);
        }
        let Page {
            mut rows,
            mut token,
            mut total,
            ..
        } = first;
        let mut tokens = HashSet::new();
        while let Some(next) = token {
            if !tokens.insert(next.clone()) {
                let call = self.call(Method::Post, Purpose::Query, PATH, &[], None)?;
                let message = "the pages of the result go in circles";
                return Err(ArmError::new(ArmErrorKind::Unusable, &call, message));
            }
            let page = self.page(body(Start::Token(next)), read).await?;
            rows.extend(page.rows);
            (token, total) = (page.token, page.total);
        }
        if let Some(total) = total.filter(|total| rows.len() < *total) {
            let call = self.call(Method::Post, Purpose::Query, PATH, &[], None)?;
            let message = format!(
                "Resource Graph gave {} rows of {total}, and no way to read on",
                rows.len()
            );
            return Err(ArmError::new(ArmErrorKind::Truncated, &call, message));
        }
        Ok(rows)
    }

    /// Returns the rows after the first page, with all pages asked for at once; none if one more page is all there is, if it is not told how
    /// many there are, or if the rows changed in between.
    async fn pages_at_once<T: Send>(
        &self,
        size: u32,
        first: &Page<T>,
        body: &(dyn Fn(Start) -> Value + Sync),
        read: &(dyn Fn(Value) -> T + Sync),
    ) -> Result<Option<Vec<T>>, ArmError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(total) = first
            .total
            .filter(|_| first.token.is_some() && first.rows.len() == size)
        else {
            return Ok(None);
        };
        let further = size.saturating_sub(1);
        if further == 0 || total.saturating_sub(size) <= further {
            return Ok(None);
        }
        let starts = (further..total.saturating_sub(1)).step_by(further);
        let pages: Vec<_> = starts.map(|start| self.page(body(Start::After(start)), read)).collect();
        let pages: Vec<Page<T>> = stream::iter(pages).buffered(at_once(first.bytes)).try_collect().await?;
        let (mut rows, mut last) = (Vec::with_capacity(total.saturating_sub(size)), first.last.clone());
        for page in pages {
            if page.total != Some(total) || page.first.is_none() || page.first != last {
                return Ok(None);
            }
            rows.extend(page.rows.into_iter().skip(1));
            last = page.last;
        }
        Ok((size + rows.len() == total).then_some(rows))
    }

    async fn page<T: Send>(&self, body: Value, read: &(dyn Fn(Value) -> T + Sync)) -> Result<Page<T>, ArmError> {
        let call = self.call(Method::Post, Purpose::Query, PATH, &[], Some(&body))?;
        let answer = self.send(&call).await?;
        read_page(&call, &answer, read)
    }
}

/// How many pages of so many bytes are asked for at once.
fn at_once(bytes: usize) -> usize {
    (BYTES_AT_ONCE / bytes.max(1)).clamp(2, AT_ONCE)
}

/// Where a page starts.
enum Start {
    Beginning,
    /// Where the page ended that gave this token.
    Token(String),
    /// After so many rows.
    After(usize),
}

/// A page of a result.
struct Page<T> {
    rows: Vec<T>,
    /// The ids of the first and the last row.
    first: Option<Value>,
    last: Option<Value>,
    /// The token of the next page.
    token: Option<String>,
    /// How many rows the whole result has, where that is told.
    total: Option<usize>,
    /// How many bytes it came in.
    bytes: usize,
}

/// An answer with the text of its rows, so that one row after another becomes a document.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "$skipToken", default)]
    token: Value,
    #[serde(rename = "resultTruncated", default)]
    truncated: Value,
    #[serde(rename = "totalRecords", default)]
    total: Value,
}

fn read_page<T>(call: &Call, answer: &Answer, read: &(dyn Fn(Value) -> T + Sync)) -> Result<Page<T>, ArmError> {
    let truncated = |message: &str| ArmError::new(ArmErrorKind::Truncated, call, message).answered(answer);
    let body: Body<'_> = answer
        .parse()
        .map_err(|why| unusable(call, answer, why.about_answer()))?;
    if answer
        .header("x-ms-tenant-subscription-limit-hit")
        .is_some_and(|hit| hit.eq_ignore_ascii_case("true"))
    {
        return Err(truncated(
            "more subscriptions are in scope than Resource Graph looks at",
        ));
    }
    let no_rows = || unusable(call, answer, "the result has no rows in `data`");
    let data = body.data.ok_or_else(no_rows)?;
    let texts: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(|_| no_rows())?;
    let token = match body.token {
        Value::Null => None,
        Value::String(token) => Some(token).filter(|token| !token.is_empty()),
        _ => return Err(unusable(call, answer, "the token of the next page is not text")),
    };
    // `resultTruncated` is text, not a boolean; both are read.
    let cut = match &body.truncated {
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        value => value.as_bool() == Some(true),
    };
    if cut && token.is_none() {
        return Err(truncated("Resource Graph cut the result and gave no way to read on"));
    }
    let mut rows = Vec::with_capacity(texts.len());
    let (mut first, mut last) = (None, None);
    for (place, text) in texts.iter().enumerate() {
        let row: Value = serde_json::from_str(text.get()).map_err(|_| no_rows())?;
        let id = || row.get("id").cloned();
        if place == 0 {
            first = id();
        }
        if place + 1 == texts.len() {
            last = id();
        }
        rows.push(read(row));
    }
    Ok(Page {
        rows,
        first,
        last,
        token,
        total: body.total.as_u64().and_then(|total| usize::try_from(total).ok()),
        bytes: answer.body.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, Turn, answer, broken, raw};

    fn ask(script: &Script, scope: GraphScope) -> Result<Vec<Value>, ArmError> {
        let query = GraphQuery {
            query: "resources | project id | order by id asc".to_owned(),
            scope,
            with_scopes_above: false,
        };
        script.run(|client| async move { client.resource_graph(&query).await })
    }

    fn group() -> GraphScope {
        GraphScope::ManagementGroups(vec!["contoso".to_owned()])
    }

    fn page(rows: &[u32], token: Option<&str>) -> Value {
        let rows: Vec<Value> = rows.iter().map(|row| json!({"id": row})).collect();
        json!({"data": rows, "$skipToken": token, "resultTruncated": if token.is_some() { "true" } else { "false" }})
    }

    fn ids(rows: &[Value]) -> Vec<u64> {
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }

    #[test]
    fn pages_are_read_with_the_same_query_and_their_token() {
        let script = Script::new([answer(200, page(&[1, 2], Some("t1"))), answer(200, page(&[3], None))]);
        assert_eq!(ids(&ask(&script, group()).unwrap()), [1, 2, 3]);
        let requests = script.requests();
        assert_eq!(
            requests[0].url,
            "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
        );
        assert_eq!(
            requests[0].body,
            json!({
                "managementGroups": ["contoso"],
                "query": "resources | project id | order by id asc",
                "options": {"resultFormat": "objectArray", "$top": 1000, "authorizationScopeFilter": "AtScopeAndBelow"},
            })
        );
        let mut second = requests[0].body.clone();
        second["options"]["$skipToken"] = json!("t1");
        assert_eq!(requests[1].body, second);
        let calls = script.client().calls();
        assert_eq!((calls.graph_queries, calls.writes, calls.reads), (2, 0, 0));
    }

    #[test]
    fn queries_are_reads_and_repeated() {
        let script = Script::new([broken(), answer(503, json!({})), answer(200, page(&[1], None))]);
        assert_eq!(ids(&ask(&script, group()).unwrap()), [1]);
        let throttled = raw(429, "").header("x-ms-user-quota-resets-after", "00:00:05");
        let script = Script::new([throttled, answer(200, page(&[], None))]);
        ask(&script, group()).unwrap();
        assert_eq!(script.slept_seconds(), [5]);
    }

    #[test]
    fn rows_that_are_missing_are_an_error() {
        for truncated in [json!("true"), json!(true)] {
            let script = Script::new([answer(200, json!({"data": [], "resultTruncated": truncated}))]);
            assert_eq!(ask(&script, group()).unwrap_err().kind(), ArmErrorKind::Truncated);
        }
        let hit = answer(200, page(&[1], None)).header("x-ms-tenant-subscription-limit-hit", "true");
        assert_eq!(
            ask(&Script::new([hit]), group()).unwrap_err().kind(),
            ArmErrorKind::Truncated
        );
        for body in [
            json!({"data": {"rows": []}}),
            json!({}),
            json!({"data": [], "$skipToken": 1}),
        ] {
            let script = Script::new([answer(200, body)]);
            assert_eq!(ask(&script, group()).unwrap_err().kind(), ArmErrorKind::Unusable);
        }
        let mut fewer = page(&[1, 2], None);
        fewer["totalRecords"] = json!(3);
        let error = ask(&Script::new([answer(200, fewer)]), group()).unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::Truncated);
        assert!(error.message().contains("2 rows of 3"), "{error}");
        let circle = || answer(200, page(&[1], Some("same")));
        let script = Script::new([circle(), circle()]);
        assert!(ask(&script, group()).unwrap_err().message().contains("circles"));
    }

    #[test]
    fn large_pages_are_asked_for_a_few_at_once() {
        let mib = 1024 * 1024;
        for (bytes, pages) in [
            (0, 16),
            (mib / 2, 16),
            (mib, 16),
            (2 * mib, 8),
            (5 * mib, 3),
            (16 * mib, 2),
        ] {
            assert_eq!(at_once(bytes), pages, "{bytes}");
        }
    }

    /// A page of 1,000 rows at most out of so many, each with its number as id.
    fn of_many(skip: u32, total: u32) -> Turn {
        let last = total.min(skip + LARGEST_PAGE);
        let mut body = page(&(skip..last).collect::<Vec<u32>>(), (last < total).then_some("next"));
        body["totalRecords"] = json!(total);
        answer(200, body)
    }

    #[test]
    fn many_pages_are_asked_for_at_once_and_overlap_by_a_row() {
        let script = Script::new([
            of_many(0, 3_500),
            of_many(999, 3_500),
            of_many(1_998, 3_500),
            of_many(2_997, 3_500),
        ]);
        let rows = ask(&script, group()).unwrap();
        assert_eq!(ids(&rows), (0..3_500).collect::<Vec<u64>>());
        let skips: Vec<Value> = script
            .requests()
            .iter()
            .map(|seen| seen.body["options"]["$skip"].clone())
            .collect();
        assert_eq!(skips, [Value::Null, json!(999), json!(1_998), json!(2_997)]);
        // One page more is read with the token, and the last row stands alone on no page.
        let script = Script::new([of_many(0, 1_999), of_many(1_000, 1_999)]);
        assert_eq!(ask(&script, group()).unwrap().len(), 1_999);
        let script = Script::new([of_many(0, 2_998), of_many(999, 2_998), of_many(1_998, 2_998)]);
        assert_eq!(ask(&script, group()).unwrap().len(), 2_998);
    }

    #[test]
    fn rows_that_move_between_pages_are_not_lost() {
        let by_token = |rows: std::ops::Range<u32>, token| answer(200, page(&rows.collect::<Vec<u32>>(), token));
        // A row before the second page went, or one came: the pages no longer join, or are of another result.
        for moved in [of_many(1_000, 2_500), of_many(999, 2_501)] {
            let script = Script::new([
                of_many(0, 2_500),
                moved,
                of_many(1_998, 2_500),
                by_token(1_000..2_000, Some("last")),
                by_token(2_000..2_500, None),
            ]);
            let rows = ask(&script, group()).unwrap();
            assert_eq!(ids(&rows), (0..2_500).collect::<Vec<u64>>());
            let tokens: Vec<Value> = script
                .requests()
                .iter()
                .map(|seen| seen.body["options"]["$skipToken"].clone())
                .collect();
            let null = Value::Null;
            assert_eq!(tokens, [null.clone(), null.clone(), null, json!("next"), json!("last")]);
        }
    }

    #[test]
    fn too_large_a_page_is_halved_from_the_beginning() {
        let too_large = || {
            let details = json!([{"code": "ResponsePayloadTooLarge", "message": "too large"}]);
            answer(
                400,
                json!({"error": {"code": "BadRequest", "message": "bad", "details": details}}),
            )
        };
        let script = Script::new([
            answer(200, page(&[1], Some("t"))),
            too_large(),
            too_large(),
            answer(200, page(&[1, 2], None)),
        ]);
        assert_eq!(ids(&ask(&script, group()).unwrap()), [1, 2]);
        let tops: Vec<Value> = script
            .requests()
            .iter()
            .map(|seen| seen.body["options"]["$top"].clone())
            .collect();
        assert_eq!(tops, [1000, 1000, 500, 250]);
        assert!(script.requests()[2].body["options"].get("$skipToken").is_none());

        let script = Script::new((0..10).map(|_| too_large()));
        assert_eq!(
            ask(&script, group()).unwrap_err().code(),
            Some("ResponsePayloadTooLarge")
        );
    }

    #[test]
    fn scopes_are_asked_in_batches_and_none_means_nothing() {
        let many: Vec<String> = (0..650).map(|number| format!("id-{}", number % 640)).collect();
        let script = Script::new((1..=3).map(|row| answer(200, page(&[row], None))));
        assert_eq!(ids(&ask(&script, GraphScope::Subscriptions(many)).unwrap()), [1, 2, 3]);
        let sizes: Vec<usize> = script
            .requests()
            .iter()
            .map(|seen| seen.body["subscriptions"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [300, 300, 40]);

        let script = Script::new([]);
        assert!(ask(&script, GraphScope::Subscriptions(Vec::new())).unwrap().is_empty());
    }

    #[test]
    fn scopes_above_are_asked_for_where_wanted() {
        let script = Script::new([answer(200, page(&[], None))]);
        let query = GraphQuery {
            query: "q".to_owned(),
            scope: group(),
            with_scopes_above: true,
        };
        script
            .run(|client| async move { client.resource_graph(&query).await })
            .unwrap();
        assert_eq!(
            script.requests()[0].body["options"]["authorizationScopeFilter"],
            "AtScopeAboveAndBelow"
        );
    }
}
