//! Queue messages in the service's XML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// One message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The service's id.
    pub id: String,
    /// What allows to delete it or to give it back; none if it was only peeked at.
    pub pop_receipt: Option<String>,
    /// When it was put, RFC 3339.
    pub inserted: String,
    /// When the service drops it, RFC 3339; year 9999: never.
    pub expires: String,
    /// How often it was received.
    pub dequeue_count: u64,
    /// Its text as stored.
    pub text: String,
}

impl QueueMessage {
    /// The text that was put, which the Functions host and [`put_body`] wrap in base64.
    ///
    /// # Errors
    /// A sentence if it is not base64 of text.
    pub fn content(&self) -> Result<String, String> {
        let bytes = STANDARD.decode(self.text.trim()).map_err(|_| "its text is not base64".to_owned())?;
        String::from_utf8(bytes).map_err(|_| "its text is not base64 of UTF-8".to_owned())
    }
}

/// The body of a request that puts a message.
pub(super) fn put_body(content: &str) -> String {
    format!("<QueueMessage><MessageText>{}</MessageText></QueueMessage>", STANDARD.encode(content))
}

/// The messages of an answer to receiving or peeking.
pub(super) fn messages_in(xml: &str) -> Result<Vec<QueueMessage>, String> {
    let xml = xml.trim_start_matches('\u{feff}');
    let document = Document::parse(xml).map_err(|reason| format!("found an answer that is not XML: {reason}"))?;
    let root = document.root_element();
    if !root.has_tag_name("QueueMessagesList") {
        return Err("found XML that is not a QueueMessagesList".to_owned());
    }
    root.children().filter(|node| node.has_tag_name("QueueMessage")).map(message_in).collect()
}

fn message_in(node: Node<'_, '_>) -> Result<QueueMessage, String> {
    let required = |name| text_of(node, name).ok_or(format!("found a queue message without {name}"));
    Ok(QueueMessage {
        id: required("MessageId")?,
        pop_receipt: text_of(node, "PopReceipt"),
        inserted: rfc_3339(required("InsertionTime")?),
        expires: rfc_3339(required("ExpirationTime")?),
        dequeue_count: required("DequeueCount")?.parse().map_err(|_| "found a DequeueCount that is no number")?,
        text: text_of(node, "MessageText").unwrap_or_default(),
    })
}

/// Code and message of an error's body, where it has them. The message's other lines are ids and times.
pub(super) fn failure_in(xml: &str) -> (Option<String>, Option<String>) {
    let Ok(document) = Document::parse(xml.trim_start_matches('\u{feff}')) else { return (None, None) };
    let root = document.root_element();
    let first_line = |text: String| text.lines().next().map(str::to_owned);
    (text_of(root, "Code"), text_of(root, "Message").and_then(first_line))
}

/// All text of the child called `name`: comments and CDATA may split it.
fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    let child = node.children().find(|child| child.has_tag_name(name))?;
    Some(child.children().filter_map(|part| part.text().filter(|_| part.is_text())).collect())
}

fn rfc_3339(text: String) -> String {
    let time = OffsetDateTime::parse(&text, &Rfc2822).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn received_messages_are_read() {
        let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList><QueueMessage>\
            <MessageId>6a1c</MessageId><InsertionTime>Sat, 21 Nov 2026 10:00:00 GMT</InsertionTime>\
            <ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime><PopReceipt>Zz+/=</PopReceipt>\
            <TimeNextVisible>Sat, 21 Nov 2026 10:02:00 GMT</TimeNextVisible><DequeueCount>2</DequeueCount>\
            <MessageText>aGVs<![CDATA[bG8=]]></MessageText></QueueMessage></QueueMessagesList>";
        let messages = messages_in(xml).unwrap();
        let expected = QueueMessage {
            id: "6a1c".to_owned(),
            pop_receipt: Some("Zz+/=".to_owned()),
            inserted: "2026-11-21T10:00:00Z".to_owned(),
            expires: "9999-12-31T23:59:59Z".to_owned(),
            dequeue_count: 2,
            text: "aGVsbG8=".to_owned(),
        };
        assert_eq!(messages, [expected]);
        assert_eq!(messages[0].content().unwrap(), "hello");
    }

    #[test]
    fn an_empty_page_and_a_page_of_something_else_differ() {
        assert_eq!(messages_in("<QueueMessagesList />").unwrap(), []);
        for (xml, reason) in [
            ("", "not XML"),
            ("<html/>", "not a QueueMessagesList"),
            ("<QueueMessagesList><QueueMessage/></QueueMessagesList>", "without MessageId"),
        ] {
            let found = messages_in(xml).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn an_error_is_its_code_and_its_first_line() {
        let xml = "<Error><Code>ServerBusy</Code><Message>Try later.\nRequestId:1\nTime:2</Message>\
            <AuthenticationErrorDetail>hunter2</AuthenticationErrorDetail></Error>";
        assert_eq!(failure_in(xml), (Some("ServerBusy".to_owned()), Some("Try later.".to_owned())));
        assert_eq!(failure_in("bad gateway"), (None, None));
    }

    #[test]
    fn xml_nested_too_deeply_does_not_end_the_process() {
        assert!(messages_in(&"<QueueMessagesList>".repeat(200_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_content_comes_back_from_a_put_body(content in "\\PC{0,80}") {
            let xml = put_body(&content);
            let text = text_of(Document::parse(&xml).unwrap().root_element(), "MessageText").unwrap();
            let message = QueueMessage {
                id: String::new(), pop_receipt: None, inserted: String::new(), expires: String::new(), dequeue_count: 0, text,
            };
            prop_assert_eq!(message.content().unwrap(), content);
        }

        #[test]
        fn no_text_makes_the_reader_panic(
            xml in "(<QueueMessagesList>|</QueueMessagesList>|<QueueMessage>|</QueueMessage>|<MessageId>|</MessageId>|<!\\[CDATA\\[|\\]\\]>|&amp;|&#|<!DOCTYPE|<!ENTITY|[<>/&;\"=]|.){0,24}"
        ) {
            let _ = messages_in(&xml);
            let _ = failure_in(&xml);
        }
    }
}
