// The grammar of `.sd` files for tree-sitter: that of `grammar/sd.pest`, as far as an editor needs it. Words of the
// language are names wherever they do not open anything.

/* global grammar, seq, choice, repeat, repeat1, optional, token, prec, alias, field */

const comma = (rule) => optional(seq(rule, repeat(seq(",", rule)), optional(",")));
const braces = (rule) => seq("{", repeat(choice(";", rule)), "}");

const PREC = { range: 1, or: 2, and: 3, not: 4, compare: 5, sum: 6, product: 7, minus: 8, power: 9, suffix: 10 };

module.exports = grammar({
  name: "sd",

  word: ($) => $.identifier,

  extras: ($) => [/[ \t\r\n\uFEFF]/, $.doc_comment, $.comment],

  // A name behind a comma goes on with `except`, or is the next option where a value follows it.
  conflicts: ($) => [[$.except]],

  rules: {
    source_file: ($) => repeat(choice($._item, ";")),

    doc_comment: () => token(/\/\/\/([^\/\n][^\n]*)?/),
    comment: () => token(choice(/\/\/([^\/\n][^\n]*)?/, /\/\/\/\/[^\n]*/)),

    // --- Items ---

    _item: ($) => choice($.use, $.const, $.fn, $.block, $.family, $.regularizer, $.model, $.train),

    use: ($) => seq("use", choice(seq($.string, "."), $.library), "{", comma($._name), "}"),
    library: ($) => repeat1(seq($._name, ".")),
    const: ($) => seq("const", $._definition),
    _definition: ($) => seq(field("name", $._name), optional(seq(":", $.type)), "=", field("value", $._expression)),
    fn: ($) =>
      seq("fn", field("name", $._name), optional($.parameters), optional(seq("->", $.type)), "=", $._expression),
    block: ($) => seq("block", field("name", $._name), optional($.parameters), $.body),
    family: ($) => seq("family", field("name", $._name), optional($.parameters), $.body),

    parameters: ($) => seq("(", comma($.parameter), ")"),
    parameter: ($) => seq(field("name", $._name), ":", $.type, optional(seq("=", $._expression))),
    type: ($) => choice($._name, seq("[", $.type, "]")),

    // --- Statements ---

    body: ($) => braces($._statement),
    _statement: ($) =>
      choice($.let, $.fact, $.for, $.if, $.require, $.default, $.stage, $.residual, $.concat, $.scale, $.layer),
    let: ($) => seq("let", $._definition),
    fact: ($) => seq("const", $._definition),
    _for_head: ($) => seq("for", field("name", $._name), "in", $._expression, "..<", $._expression),
    for: ($) => seq($._for_head, $.body),
    if: ($) =>
      prec.right(
        seq("if", $._expression, $.body, repeat(seq("else", "if", $._expression, $.body)), optional(seq("else", $.body))),
      ),
    require: ($) => seq("require", $._expression, ":", $.string),
    default: ($) => prec(1, seq("default", $.call)),
    stage: ($) => prec(1, seq("stage", field("name", $._name), optional($.index), $.body)),
    scale: ($) => prec.right(1, seq("scale", $.body, optional($.alias))),
    layer: ($) => prec.right(seq($.call, optional($.alias))),
    alias: ($) => seq("as", $._name),

    residual: ($) => prec.right(1, seq("residual", $.arms, optional($.alias))),
    concat: ($) => prec.right(1, seq("concat", $.arms, optional($.alias))),
    arms: ($) => braces(choice($.let, $.arm_for, $.arm_if, $.arm)),
    arm_for: ($) => seq($._for_head, $.arms),
    arm_if: ($) =>
      prec.right(
        seq("if", $._expression, $.arms, repeat(seq("else", "if", $._expression, $.arms)), optional(seq("else", $.arms))),
      ),
    arm: ($) => seq(field("kind", choice("branch", "shortcut", "path")), $.body),

    // --- Rules ---

    regularizer: ($) =>
      seq("regularizer", field("name", $._name), optional($.parameters), optional($.on_branches), $.rule_body),
    on_branches: ($) => seq("on", $._expression, choice("branches", "branch")),
    rule_body: ($) => braces(choice($.let, $.require, $.equation)),
    equation: ($) => seq(field("factor", choice("forward", "backward", "test")), "=", $._expression),

    // --- Models ---

    model: ($) => seq("model", field("name", $._name), optional($.parameters), $.model_body),
    model_body: ($) => braces(choice($.input, $.net, $.place, $.let, $.require, $.assert)),
    assert: ($) => prec.right(seq("assert", $._expression, optional(seq(":", $.string)))),
    input: ($) => seq("input", $._name, "[", comma($._expression), "]"),
    net: ($) => seq("net", choice($.body, $.call)),
    place: ($) => seq("place", $.call, "on", $.selection, optional($.where), optional($.at)),
    selection: ($) => prec.left(seq($._segment, repeat(seq(".", $._segment)))),
    _segment: ($) => choice($.any, seq($._name, optional(seq("[", choice($.number, $.any), "]")))),
    any: () => choice("*", "**"),
    where: ($) => seq("where", $._expression),
    at: ($) => seq("at", choice("sum", "branch")),

    // --- Training ---

    train: ($) => seq("train", field("model", $._name), $.options),
    options: ($) => seq("{", repeat(choice(";", ",", $.option)), "}"),
    // A key at the end of its line stands alone: what follows is the next option.
    option: ($) =>
      prec.dynamic(-1, prec.right(
        choice(
          seq(field("key", alias($._lone_key, $.identifier)), optional(seq(":", $._value)), optional($.options)),
          seq(
            field("key", $._name),
            optional(choice(seq(":", $._value), $.arguments, $._value)),
            optional($.options),
          ),
        ),
      )),
    _lone_key: () => token(prec(1, /[A-Za-z_][A-Za-z0-9_]*[ \t\r]*[;,\n]/)),
    _value: ($) => prec.right(seq($._expression, optional($.except))),
    except: ($) => seq("except", $._name, repeat(seq(",", $._name))),

    // --- Expressions ---

    _expression: ($) =>
      choice($.number, $.string, $.boolean, $.list, $.group, $.call, $.if_expression, $.field, $.element, $.unary, $.binary),
    unary: ($) => choice(prec(PREC.minus, seq("-", $._expression)), prec(PREC.not, seq("not", $._expression))),
    binary: ($) => {
      const left = (power, operator) => prec.left(power, seq($._expression, operator, $._expression));
      return choice(
        left(PREC.range, ".."),
        left(PREC.or, "or"),
        left(PREC.and, "and"),
        left(PREC.compare, choice("==", "!=", "<", "<=", ">", ">=")),
        left(PREC.sum, choice("+", "-")),
        left(PREC.product, choice("*", "/", "%")),
        prec.right(PREC.power, seq($._expression, "^", $._expression)),
      );
    },
    field: ($) => prec(PREC.suffix, seq($._expression, ".", field("name", $._name))),
    element: ($) => prec(PREC.suffix, seq($._expression, $.index)),
    index: ($) => seq("[", $._expression, "]"),
    list: ($) => seq("[", comma($._expression), "]"),
    group: ($) => seq("(", $._expression, ")"),
    if_expression: ($) =>
      seq(
        "if",
        $._expression,
        $.value_body,
        repeat(seq("else", "if", $._expression, $.value_body)),
        seq("else", $.value_body),
      ),
    value_body: ($) => seq("{", $._expression, "}"),

    call: ($) => prec.right(seq(field("callee", $._name), optional($.arguments))),
    arguments: ($) =>
      seq("(", optional(seq(choice("..", seq($.argument, repeat(seq(",", $.argument)), optional(seq(",", ".."))), ), optional(","))), ")"),
    argument: ($) => prec(1, seq(optional(seq(field("name", $._name), ":")), $._expression)),

    // --- Names and literals ---

    _name: ($) => choice($.identifier, alias($._word, $.identifier)),
    // Words that open something only in their own place.
    _word: () =>
      prec(
        -1,
        choice(
          "use", "fn", "block", "family", "regularizer", "model", "train", "in", "default",
          "stage", "scale", "residual", "concat", "branch", "shortcut", "path", "on", "branches", "forward", "backward",
          "test", "input", "assert", "net", "place", "where", "at", "sum", "except",
        ),
      ),
    identifier: () => /[A-Za-z_][A-Za-z0-9_]*/,
    number: () => /[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9]+)?/,
    string: () => /"([^"\\\n]|\\[^\n])*"/,
    boolean: () => choice("true", "false"),
  },
});
