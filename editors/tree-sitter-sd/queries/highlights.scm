; Colours for Neovim, Helix and Zed.

(comment) @comment
(doc_comment) @comment.documentation
(string) @string
(number) @number
(boolean) @boolean

["use"] @keyword.import
["const" "fn" "block" "family" "regularizer" "model" "train" "let"] @keyword
["for" "in" "if" "else"] @keyword.control
["stage" "residual" "concat" "scale" "branch" "shortcut" "path" "default" "require" "assert" "as"] @keyword
["input" "net" "place" "on" "where" "at" "except" "branches"] @keyword
["and" "or" "not"] @keyword.operator
["+" "-" "*" "/" "%" "^" "==" "!=" "<" "<=" ">" ">=" "=" ".." "..<" "->"] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ";" ":" "."] @punctuation.delimiter

(type) @type
(fn name: (identifier) @function)
(block name: (identifier) @type)
(family name: (identifier) @type)
(regularizer name: (identifier) @function.macro)
(model name: (identifier) @type)
(train model: (identifier) @type)
(parameter name: (identifier) @variable.parameter)
(argument name: (identifier) @variable.parameter)
(call callee: (identifier) @function (arguments))
(layer (call callee: (identifier) @function))
(option key: (identifier) @property)
(field name: (identifier) @property)
(equation factor: _ @keyword)
(library) @namespace
(alias (identifier) @label)
