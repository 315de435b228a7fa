//! tree-sitter's tree, with a file name and a list of problems.

use std::cell::RefCell;

use tree_sitter::{Node, Parser, Tree};

use crate::problem::{At, Problem};

/// A file being read.
pub(super) struct Reader<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) problems: RefCell<Vec<Problem>>,
}

impl Reader<'_> {
    /// Parses, and notes every place where that fails.
    pub(super) fn tree(&self) -> Tree {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).expect("grammar and library fit together");
        let tree = parser.parse(self.text, None).expect("no time limit was set");
        self.note_errors(tree.root_node());
        tree
    }

    fn note_errors(&self, node: Node<'_>) {
        if node.is_error() {
            let found = self.text(node).lines().next().unwrap_or_default().trim().to_owned();
            self.problem(node, format!("syntax error at `{found}`"));
        } else if node.is_missing() {
            self.problem(node, format!("syntax error: `{}` is missing", node.kind()));
        } else if node.has_error() {
            children(node, false).into_iter().for_each(|child| self.note_errors(child));
        }
    }

    pub(super) fn text(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }

    pub(super) fn problem(&self, node: Node<'_>, message: String) {
        self.problems.borrow_mut().push(Problem::new(self.path, at(node), message));
    }

    /// Notes that something is outside the dialect.
    pub(super) fn unread(&self, node: Node<'_>) {
        let first = self.text(node).lines().next().unwrap_or_default();
        self.problem(node, format!("`{first}` ({}) is outside the dialect that every parser reads", node.kind()));
    }
}

pub(super) fn at(node: Node<'_>) -> At {
    let start = node.start_position();
    At { line: start.row + 1, column: start.column + 1 }
}

/// Children without comments; the named ones only, or punctuation too.
pub(super) fn children(node: Node<'_>, named_only: bool) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let all = node.children(&mut cursor);
    all.filter(|child| (!named_only || child.is_named()) && !child.kind().ends_with("comment")).collect()
}

pub(super) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    children(node, true)
}
