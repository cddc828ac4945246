//! Lists that come in pages.
//!
//! Owns how pages are followed and when a list is refused as incomplete. Must not know what is listed.

use super::answer::Answer;
use super::client::Client;
use super::error::{ArmError, ArmErrorKind};
use super::path;
use super::request::{Call, Purpose};
use azure_core::http::Method;
use serde_json::Value;
use std::collections::HashSet;

/// More pages than any list here can have; a service that gives more goes in circles.
const MOST_PAGES: usize = 10_000;

impl Client {
    /// Returns all entries of a list, in the service's order.
    ///
    /// `query` holds further parameters such as `("$filter", "atScope()")`, unencoded. A list is whole or an error: a page without
    /// `value`, a link that was followed before, and a link to another host are errors.
    pub async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, ArmError> {
        let call = self.call(Method::Get, Purpose::Read, path, query, None)?;
        self.follow(call).await
    }

    /// Returns all entries of a query that is posted, such as `…/policyStates/latest/queryResults`: its further pages are posted too.
    ///
    /// What goes for [`Client::list`] goes here. The POST reads, so it is repeated as a GET would be.
    pub async fn list_by_post(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, ArmError> {
        let call = self.call(Method::Post, Purpose::Read, path, query, None)?;
        self.follow(call).await
    }

    async fn follow(&self, mut call: Call) -> Result<Vec<Value>, ArmError> {
        let mut entries = Vec::new();
        let mut followed = HashSet::from([call.url.to_string()]);
        loop {
            let answer = self.send(&call).await?;
            let (page, link) = read_page(&call, &answer)?;
            entries.extend(page);
            let Some(link) = link else {
                return Ok(entries);
            };
            let url =
                path::follow_link(&self.inner.endpoint, &link).map_err(|host| self.foreign(&call, &answer, &host))?;
            if !followed.insert(url.to_string()) || followed.len() > MOST_PAGES {
                return Err(unusable(&call, &answer, "the pages of the list go in circles"));
            }
            call = Call {
                method: call.method,
                ..self.next_call(&call, Purpose::Read, url)
            };
        }
    }

    /// Returns the error for a link that leaves the endpoint.
    pub(super) fn foreign(&self, call: &Call, answer: &Answer, host: &str) -> ArmError {
        let message = format!(
            "the answer points to {host}, which is not the endpoint {}",
            self.inner.endpoint
        );
        ArmError::new(ArmErrorKind::ForeignLink, call, message).answered(answer)
    }
}

pub(super) fn unusable(call: &Call, answer: &Answer, message: &str) -> ArmError {
    ArmError::new(ArmErrorKind::Unusable, call, message).answered(answer)
}

fn read_page(call: &Call, answer: &Answer) -> Result<(Vec<Value>, Option<String>), ArmError> {
    let body = answer
        .json()
        .map_err(|why| unusable(call, answer, why.about_answer()))?;
    let Value::Object(mut page) = body else {
        return Err(unusable(call, answer, "a page of the list is not an object"));
    };
    let Some(Value::Array(entries)) = page.remove("value") else {
        return Err(unusable(call, answer, "a page of the list has no `value`"));
    };
    for name in ["nextLink", "@nextLink", "@odata.nextLink"] {
        match page.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(link)) if link.trim().is_empty() => {}
            Some(Value::String(link)) => return Ok((entries, Some(link))),
            Some(_) => return Err(unusable(call, answer, "the link to the next page is not text")),
        }
    }
    Ok((entries, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, answer, raw};
    use serde_json::json;

    const PATH: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments";

    fn list(script: &Script) -> Result<Vec<Value>, ArmError> {
        script.run(|client| async move { client.list(PATH, &[("$filter", "atScope()")]).await })
    }

    #[test]
    fn pages_are_followed_as_they_are_given() {
        let next = "https://management.azure.com/other/path?$skiptoken=a%2Bb&api-version=2020-01-01";
        let script = Script::new([
            answer(200, json!({"value": [1, 2], "nextLink": next})),
            answer(
                200,
                json!({"value": [], "@nextLink": "https://management.azure.com/third"}),
            ),
            answer(200, json!({"value": [3], "nextLink": null})),
        ]);
        assert_eq!(list(&script).unwrap(), [json!(1), json!(2), json!(3)]);
        let urls: Vec<String> = script.requests().iter().map(|request| request.url.clone()).collect();
        assert_eq!(
            urls,
            [
                &format!("https://management.azure.com{PATH}?$filter=atScope()&api-version=2025-01-01"),
                next,
                "https://management.azure.com/third"
            ]
        );
        assert_eq!(script.client().calls().reads, 3);
    }

    #[test]
    fn further_pages_of_a_posted_query_are_posted_without_a_body() {
        let path = "/subscriptions/s/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults";
        let next = "https://management.azure.com/next?$skiptoken=x";
        let script = Script::new([
            answer(500, json!({})),
            answer(200, json!({"value": [1], "@odata.nextLink": next})),
            answer(200, json!({"value": [2], "@odata.count": 1})),
        ]);
        let entries = script.run(async |client| client.list_by_post(path, &[("$top", "1")]).await.unwrap());
        assert_eq!(entries, [json!(1), json!(2)]);
        let sent: Vec<(String, String, Value)> = script
            .requests()
            .into_iter()
            .map(|seen| (seen.method, seen.url, seen.body))
            .collect();
        let first = format!("https://management.azure.com{path}?$top=1&api-version=2024-10-01");
        let post = |url: &str| ("POST".to_owned(), url.to_owned(), Value::Null);
        assert_eq!(sent, [post(&first), post(&first), post(next)]);
    }

    #[test]
    fn a_link_to_another_host_is_refused_before_anything_is_sent() {
        for link in [
            "https://evil.example/x",
            "http://management.azure.com/x",
            "https://management.azure.com:1/x",
        ] {
            let script = Script::new([answer(200, json!({"value": [1], "nextLink": link}))]);
            let error = list(&script).unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::ForeignLink);
            assert_eq!(script.requests().len(), 1, "nothing was sent to {link}");
        }
    }

    #[test]
    fn incomplete_lists_are_errors() {
        let circle = format!("https://management.azure.com{PATH}?$filter=atScope()&api-version=2025-01-01");
        for (page, message) in [
            (answer(200, json!({"nextLink": null})), "has no `value`"),
            (answer(200, json!({"value": {}})), "has no `value`"),
            (answer(200, json!([])), "not an object"),
            (answer(200, json!({"value": [], "nextLink": 3})), "not text"),
            (answer(200, json!({"value": [], "nextLink": circle})), "in circles"),
            (raw(200, "<html>"), "web page"),
            (raw(200, "{\"value\":[{"), "cut off"),
            (raw(204, ""), "empty"),
        ] {
            let script = Script::new([page]);
            let error = list(&script).unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::Unusable);
            assert!(error.message().contains(message), "{error}");
        }
    }

    #[test]
    fn a_failing_page_fails_the_list() {
        let script = Script::new([
            answer(200, json!({"value": [1], "nextLink": "https://management.azure.com/2"})),
            answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}})),
        ]);
        assert_eq!(list(&script).unwrap_err().code(), Some("AuthorizationFailed"));
    }
}
