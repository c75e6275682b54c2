//! The parser that pest makes of `grammar/sd.pest`, and what its rules are called among people.

use pest::iterators::{Pair, Pairs};
use pest_derive::Parser;

/// The generated parser.
#[derive(Parser)]
#[grammar = "../grammar/sd.pest"]
pub struct Grammar;

/// What a rule of the grammar is for the tree and for a reader.
pub enum Role {
    /// A mark or word that only holds the text together; its text.
    Mark(&'static str),
    /// A part of the tree; what it is called.
    Part(&'static str),
}

/// The role of every rule.
pub fn role(rule: Rule) -> Role {
    use Role::{Mark, Part};
    match rule {
        Rule::only_item | Rule::item => {
            Part("an item (`use`, `const`, `fn`, `block`, `family`, `regularizer`, `model`, `train`)")
        }
        Rule::only_expr => Part("an expression"),
        Rule::use_item => Part("`use`"),
        Rule::library_path => Part("a library path such as `std.resnet`"),
        Rule::const_item => Part("`const`"),
        Rule::definition => Part("a name"),
        Rule::fn_item => Part("`fn`"),
        Rule::block_item => Part("`block`"),
        Rule::family_item => Part("`family`"),
        Rule::params => Part("parameters in parentheses"),
        Rule::param => Part("a parameter"),
        Rule::ty => Part("a type"),
        Rule::list_type => Part("a list type"),
        Rule::body => Part("statements in braces"),
        Rule::stmt => Part("a statement"),
        Rule::let_stmt => Part("`let`"),
        Rule::fact_stmt => Part("`const`"),
        Rule::for_stmt | Rule::for_head | Rule::arm_for => Part("`for`"),
        Rule::if_stmt | Rule::if_head | Rule::arm_if | Rule::if_expr => Part("`if`"),
        Rule::require_stmt => Part("`require`"),
        Rule::assert_stmt => Part("`assert`"),
        Rule::default_stmt => Part("`default`"),
        Rule::stage_stmt => Part("`stage`"),
        Rule::scale_stmt => Part("`scale`"),
        Rule::apply_stmt => Part("a layer"),
        Rule::alias => Part("`as`"),
        Rule::residual_stmt => Part("`residual`"),
        Rule::concat_stmt => Part("`concat`"),
        Rule::arms => Part("arms in braces"),
        Rule::arm_stmt | Rule::arm | Rule::arm_kind => Part("an arm (`branch`, `shortcut`, `path`)"),
        Rule::regularizer_item => Part("`regularizer`"),
        Rule::on_branches => Part("`on`"),
        Rule::rule_body => Part("equations in braces"),
        Rule::rule_stmt => Part("a statement of a rule (`let`, `require`, an equation)"),
        Rule::equation | Rule::factor => Part("an equation"),
        Rule::model_item => Part("`model`"),
        Rule::model_body => Part("a model's statements in braces"),
        Rule::model_stmt => Part("a statement of a model (`input`, `net`, `place`, `let`, `require`, `assert`)"),
        Rule::input_stmt => Part("`input`"),
        Rule::net_stmt => Part("`net`"),
        Rule::place_stmt => Part("`place`"),
        Rule::selection | Rule::segment => Part("`residuals` or a path pattern such as `group[2].*`"),
        Rule::any => Part("`*`"),
        Rule::where_clause => Part("`where`"),
        Rule::at_clause => Part("`at`"),
        Rule::at_site => Part("`sum` or `branch`"),
        Rule::train_item => Part("`train`"),
        Rule::entries => Part("options in braces"),
        Rule::entry | Rule::lone_key | Rule::key => Part("an option"),
        Rule::except => Part("`except`"),
        Rule::entry_goes_on => Part("the rest of an option"),
        Rule::expr | Rule::chain | Rule::operand => Part("a value"),
        Rule::prefix => Part("a sign"),
        Rule::infix => Part("an operator"),
        Rule::field => Part("`.`"),
        Rule::index => Part("`[`"),
        Rule::list => Part("a list"),
        Rule::group | Rule::args => Part("`(`"),
        Rule::value_body => Part("a value in braces"),
        Rule::call | Rule::name | Rule::word | Rule::reserved | Rule::statement_word => Part("a name"),
        Rule::arg | Rule::arg_name => Part("an argument"),
        Rule::open_mark => Part("`..`"),
        Rule::boolean => Part("`true` or `false`"),
        Rule::int | Rule::number => Part("a number"),
        Rule::string => Part("a string in quotes"),
        Rule::EOI => Mark("the end"),
        Rule::open_brace => Mark("{"),
        Rule::close_brace => Mark("}"),
        Rule::open_paren => Mark("("),
        Rule::close_paren => Mark(")"),
        Rule::open_bracket => Mark("["),
        Rule::close_bracket => Mark("]"),
        Rule::comma => Mark(","),
        Rule::semicolon => Mark(";"),
        Rule::colon => Mark(":"),
        Rule::arrow => Mark("->"),
        Rule::dot => Mark("."),
        Rule::equals => Mark("="),
        Rule::range_mark => Mark(".."),
        Rule::up_to => Mark("..<"),
        Rule::kw_as => Mark("as"),
        Rule::kw_assert => Mark("assert"),
        Rule::kw_at => Mark("at"),
        Rule::kw_block => Mark("block"),
        Rule::kw_branches => Mark("branches"),
        Rule::kw_concat => Mark("concat"),
        Rule::kw_const => Mark("const"),
        Rule::kw_default => Mark("default"),
        Rule::kw_else => Mark("else"),
        Rule::kw_except => Mark("except"),
        Rule::kw_family => Mark("family"),
        Rule::kw_fn => Mark("fn"),
        Rule::kw_for => Mark("for"),
        Rule::kw_if => Mark("if"),
        Rule::kw_in => Mark("in"),
        Rule::kw_input => Mark("input"),
        Rule::kw_let => Mark("let"),
        Rule::kw_model => Mark("model"),
        Rule::kw_net => Mark("net"),
        Rule::kw_on => Mark("on"),
        Rule::kw_place => Mark("place"),
        Rule::kw_regularizer => Mark("regularizer"),
        Rule::kw_require => Mark("require"),
        Rule::kw_residual => Mark("residual"),
        Rule::kw_scale => Mark("scale"),
        Rule::kw_stage => Mark("stage"),
        Rule::kw_train => Mark("train"),
        Rule::kw_use => Mark("use"),
        Rule::kw_where => Mark("where"),
        Rule::blank
        | Rule::digits
        | Rule::exponent
        | Rule::value
        | Rule::atom
        | Rule::word_start
        | Rule::word_char
        | Rule::WHITESPACE
        | Rule::COMMENT => Mark(""),
    }
}

/// Where a pair stands in the parsed stretch, up to its last token: a rule whose last part is left out has matched the
/// blanks and comments before that part as well.
pub fn extent(pair: &Pair<'_, Rule>) -> std::ops::Range<usize> {
    let mut last = pair.clone();
    // The digits inside a number are no token of their own.
    while !matches!(last.as_rule(), Rule::int | Rule::number)
        && let Some(inner) = last.clone().into_inner().last()
    {
        last = inner;
    }
    pair.as_span().start()..last.as_span().end()
}

/// The parts of a pair that the tree is made of, marks left out.
pub struct Parts<'i> {
    pairs: Pairs<'i, Rule>,
}

impl<'i> Parts<'i> {
    /// The parts of `pair`.
    pub fn of(pair: Pair<'i, Rule>) -> Self {
        Parts { pairs: pair.into_inner() }
    }

    /// The next part, which the grammar puts there.
    pub fn part(&mut self) -> Pair<'i, Rule> {
        self.next().expect("the grammar has a part here")
    }

    /// The next part if it is a `rule`.
    pub fn take_if(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        self.skip_marks();
        if self.pairs.peek()?.as_rule() == rule { self.pairs.next() } else { None }
    }

    fn skip_marks(&mut self) {
        while self.pairs.peek().is_some_and(|p| matches!(role(p.as_rule()), Role::Mark(_))) {
            self.pairs.next();
        }
    }
}

impl<'i> Iterator for Parts<'i> {
    type Item = Pair<'i, Rule>;

    fn next(&mut self) -> Option<Pair<'i, Rule>> {
        self.skip_marks();
        self.pairs.next()
    }
}
