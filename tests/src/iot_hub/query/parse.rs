//! From the words of a route condition to an expression.

use serde_json::Value;

use super::ParseError;
use super::evaluate::{Comparison, Expression, Function, Root, Step};
use super::token::{Kind, Token, tokens};

/// How deep parentheses and `NOT` may nest, so that neither parsing nor evaluating exhausts the stack.
const DEPTH: usize = 100;

pub(super) fn condition(text: &str) -> Result<Expression, ParseError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expression = parser.any_of()?;
    match parser.peek().kind {
        Kind::End => Ok(expression),
        Kind::Word | Kind::Reference | Kind::Quoted | Kind::Open | Kind::Close | Kind::Comparison => {
            Err(parser.peek().unexpected("AND, OR or the end"))
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn any_of(&mut self) -> Result<Expression, ParseError> {
        self.deeper()?;
        let mut terms = vec![self.all_of()?];
        while self.accept("OR") {
            terms.push(self.all_of()?);
        }
        self.depth -= 1;
        Ok(one_or(terms, Expression::Or))
    }

    fn all_of(&mut self) -> Result<Expression, ParseError> {
        let mut terms = vec![self.negation()?];
        while self.accept("AND") {
            terms.push(self.negation()?);
        }
        Ok(one_or(terms, Expression::And))
    }

    fn negation(&mut self) -> Result<Expression, ParseError> {
        if !self.accept("NOT") {
            return self.comparison();
        }
        self.deeper()?;
        let negated = self.negation()?;
        self.depth -= 1;
        Ok(Expression::Not(Box::new(negated)))
    }

    fn comparison(&mut self) -> Result<Expression, ParseError> {
        let left = self.operand()?;
        if self.peek().kind != Kind::Comparison {
            return Ok(left);
        }
        let comparison = Comparison::from_symbol(&self.take().text);
        Ok(Expression::Compare(comparison, Box::new(left), Box::new(self.operand()?)))
    }

    fn operand(&mut self) -> Result<Expression, ParseError> {
        let token = self.take();
        match token.kind {
            Kind::Quoted => Ok(Expression::Literal(Value::String(token.text))),
            Kind::Reference => reference(&token),
            Kind::Open => self.until_closed(),
            Kind::Word if self.peek().kind == Kind::Open => {
                let function = Function::from_name(&token.text);
                let function = function.ok_or_else(|| token.unexpected("a function of route conditions"))?;
                self.take();
                Ok(Expression::Call(function, Box::new(self.until_closed()?)))
            }
            Kind::Word => word(&token),
            Kind::Close | Kind::Comparison | Kind::End => Err(token.unexpected("an operand")),
        }
    }

    fn until_closed(&mut self) -> Result<Expression, ParseError> {
        let inner = self.any_of()?;
        let close = self.take();
        if close.kind == Kind::Close { Ok(inner) } else { Err(close.unexpected("`)`")) }
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH { Err(self.peek().unexpected("less nesting")) } else { Ok(()) }
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let accepted = self.peek().is_keyword(keyword);
        self.next += usize::from(accepted);
        accepted
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next]
    }

    /// The next token; the last one stays.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }
}

fn one_or(mut terms: Vec<Expression>, many: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => many(terms.into_iter().chain(last).collect()),
    }
}

fn word(token: &Token) -> Result<Expression, ParseError> {
    let text = &token.text;
    let first = text.trim_start_matches(['-', '+', '.']).chars().next();
    if first.is_some_and(|character| character.is_ascii_digit()) {
        let number = text.parse().ok().and_then(serde_json::Number::from_f64);
        return number.map(|number| Expression::Literal(Value::Number(number))).ok_or(token.unexpected("a number"));
    }
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Expression::Literal(Value::Bool(true))),
        "false" => Ok(Expression::Literal(Value::Bool(false))),
        "null" => Ok(Expression::Literal(Value::Null)),
        "and" | "or" | "not" => Err(token.unexpected("an operand")),
        _ => Ok(Expression::Path(Root::Property, vec![Step::Key(text.clone())])),
    }
}

fn reference(token: &Token) -> Result<Expression, ParseError> {
    let (root, path) = token.text[1..].split_once('.').unwrap_or((&token.text[1..], ""));
    let whole = "a path into it: the whole cannot be tested";
    let keys = |found, expected| match steps(path) {
        Some(_) if path.is_empty() => Err(token.unexpected(whole)),
        Some(steps) => Ok(Expression::Path(found, steps)),
        None => Err(token.unexpected(expected)),
    };
    match root.to_ascii_lowercase().as_str() {
        "body" => keys(Root::Body, "keys and [index]es behind `$body`"),
        "twin" => keys(Root::Twin, "keys and [index]es behind `$twin`"),
        name if name.is_empty() || name.contains(['[', ']', '$']) => Err(token.unexpected("a name behind `$`")),
        _ if token.text.contains('.') => Err(token.unexpected("a system property without a path")),
        _ => Ok(Expression::Path(Root::System, vec![Step::Key(root.to_owned())])),
    }
}

/// The steps of `a.b[0].c`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|_| !path.is_empty()) {
        let (key, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() || key.contains(['$', ']']) {
            return None;
        }
        steps.push(Step::Key(key.to_owned()));
        if !indexes.is_empty() {
            for index in indexes.strip_prefix('[')?.strip_suffix(']')?.split("][") {
                steps.push(Step::Index(index.parse().ok()?));
            }
        }
    }
    Some(steps)
}
