//! The service's XML: messages written and read.

use std::collections::HashMap;

use roxmltree::{Document, Node};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::error::QueueError;
use super::message::{Message, PeekedMessage};

/// The members of one message of an answer.
pub(super) struct Fields(HashMap<String, String>);

/// The body that puts a message.
pub(super) fn queue_message(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Unescaped it would arrive as a line feed.
            '\r' => escaped.push_str("&#xD;"),
            other => escaped.push(other),
        }
    }
    format!("<QueueMessage><MessageText>{escaped}</MessageText></QueueMessage>")
}

/// The messages of an answer.
pub(super) fn messages(body: &str) -> Result<Vec<Fields>, QueueError> {
    let document = Document::parse(without_mark(body)).map_err(|error| QueueError::NoAnswer(error.to_string()))?;
    let messages = document.descendants().filter(|node| node.has_tag_name("QueueMessage"));
    Ok(messages.map(fields).collect())
}

/// The code in the body of an error.
pub(super) fn error_code(body: &str) -> Option<String> {
    let document = Document::parse(without_mark(body)).ok()?;
    document.descendants().find(|node| node.has_tag_name("Code")).and_then(|node| node.text()).map(str::to_owned)
}

/// Reads a date of the service, in whole seconds.
pub(super) fn http_time(text: &str) -> Result<OffsetDateTime, QueueError> {
    OffsetDateTime::parse(text, &Rfc2822).map_err(|error| QueueError::NoAnswer(format!("{text}: {error}")))
}

/// The service begins its XML with a byte order mark.
fn without_mark(body: &str) -> &str {
    body.trim_start_matches('\u{feff}')
}

fn fields(message: Node<'_, '_>) -> Fields {
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().to_owned();
    let members = message.children().filter(Node::is_element);
    Fields(members.map(|node| (node.tag_name().name().to_owned(), text(node))).collect())
}

impl Fields {
    pub(super) fn got(mut self) -> Result<Message, QueueError> {
        Ok(Message {
            pop_receipt: self.take("PopReceipt")?,
            next_visible_time: http_time(&self.take("TimeNextVisible")?)?,
            id: self.take("MessageId")?,
            insertion_time: http_time(&self.take("InsertionTime")?)?,
            expiration_time: http_time(&self.take("ExpirationTime")?)?,
            dequeue_count: self.dequeue_count()?,
            text: self.take("MessageText").unwrap_or_default(),
        })
    }

    pub(super) fn peeked(mut self) -> Result<PeekedMessage, QueueError> {
        Ok(PeekedMessage {
            id: self.take("MessageId")?,
            insertion_time: http_time(&self.take("InsertionTime")?)?,
            expiration_time: http_time(&self.take("ExpirationTime")?)?,
            dequeue_count: self.dequeue_count()?,
            text: self.take("MessageText").unwrap_or_default(),
        })
    }

    /// A message that was only put has none yet.
    fn dequeue_count(&mut self) -> Result<u32, QueueError> {
        let text = self.take("DequeueCount").unwrap_or_else(|_| "0".to_owned());
        text.parse().map_err(|_| QueueError::NoAnswer(format!("DequeueCount is {text}")))
    }

    fn take(&mut self, name: &str) -> Result<String, QueueError> {
        self.0.remove(name).ok_or_else(|| QueueError::NoAnswer(format!("a message without {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_whole() {
        let body = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList><QueueMessage>\
            <MessageId>7c9b</MessageId><InsertionTime>Fri, 20 Nov 2026 20:00:00 GMT</InsertionTime>\
            <ExpirationTime>Fri, 27 Nov 2026 20:00:00 GMT</ExpirationTime><PopReceipt>AgA=</PopReceipt>\
            <TimeNextVisible>Fri, 20 Nov 2026 20:10:00 GMT</TimeNextVisible><DequeueCount>2</DequeueCount>\
            <MessageText> a&lt;b&amp; </MessageText></QueueMessage></QueueMessagesList>";
        let time = |seconds: i64| OffsetDateTime::from_unix_timestamp(1_795_204_800 + seconds).unwrap();
        let expected = Message {
            id: "7c9b".to_owned(),
            pop_receipt: "AgA=".to_owned(),
            insertion_time: time(0),
            expiration_time: time(7 * 24 * 60 * 60),
            next_visible_time: time(600),
            dequeue_count: 2,
            text: " a<b& ".to_owned(),
        };
        let messages: Result<Vec<_>, _> = messages(body).unwrap().into_iter().map(Fields::got).collect();
        assert_eq!(messages, Ok(vec![expected]));
    }

    #[test]
    fn what_is_no_answer_of_the_service_is_an_error_and_never_a_message() {
        assert!(messages("no xml").is_err());
        assert!(messages("<QueueMessage><MessageId>1</MessageId></QueueMessage>").unwrap().remove(0).got().is_err());
        assert_eq!(error_code("<Error><Code>QueueNotFound</Code></Error>").as_deref(), Some("QueueNotFound"));
        assert_eq!(error_code("gone"), None);
    }

    #[test]
    fn every_text_survives_escaping() {
        for text in ["a<b>&\"'", "]]>", "\r\n\t", "😀"] {
            let document = queue_message(text);
            let document = Document::parse(&document).unwrap();
            let node = document.descendants().find(|node| node.has_tag_name("MessageText")).unwrap();
            assert_eq!(node.text(), Some(text));
        }
    }
}
