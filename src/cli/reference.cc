#include "reference.h"

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>

namespace corten::cli {

namespace {

// Text for roff: a backslash or a leading dot or quote would be a request, a bare "-" a typographic
// hyphen.
std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_options(std::span<const Option> options) {
  std::string text;
  for (const auto& option : options) {
    if (option.help.empty()) continue;
    text += ".TP\n";
    if (option.letter != 0) text += fmt::format("\\fB\\-{}\\fR, ", option.letter);
    text += fmt::format("\\fB{}\\fR", roff(fmt::format("--{}", option.name)));
    if (!option.value_name.empty()) text += fmt::format(" \\fI{}\\fR", roff(option.value_name));
    text += fmt::format("\n{}\n", roff(option.help));
  }
  return text;
}

std::string roff_lines(std::string_view lines) {
  std::string text = ".PP\n.nf\n";
  for (const auto line : split(lines, '\n')) text += fmt::format("    {}\n", roff(line));
  return text + ".fi\n";
}

// Names of the pages: corten(8), corten-create(8).
std::string page_name(const Command& command) { return fmt::format("corten-{}", command.name); }

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

constexpr std::string_view kWrittenBy =
    ".\\\" Written by the target corten_reference from src/cli/table.cc.\n";

// "--bundle -b": the words of a command's options that are shown.
std::string option_words(std::span<const Option> options) {
  std::string words;
  for (const auto& option : options) {
    if (option.help.empty()) continue;
    if (!words.empty()) words += ' ';
    words += fmt::format("--{}", option.name);
    if (option.letter != 0) words += fmt::format(" -{}", option.letter);
  }
  return words;
}

std::string command_words() {
  std::string words;
  for (const auto& command : commands()) words += fmt::format("{} ", command.name);
  return words + "help";
}

// What a value is completed with, by the word that the help shows for it.
std::string_view bash_values(std::string_view value_name) {
  if (value_name == "DIR") return "-d --";
  if (value_name == "FILE" || value_name == "PATH") return "-f --";
  return {};
}

// What bash does for the value: nothing, the words of "a|b", directories or files.
std::string bash_action(std::string_view value_name) {
  if (value_name.find('|') != std::string_view::npos) {
    std::string words(value_name);
    for (char& c : words) c = c == '|' ? ' ' : c;
    return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", words);
  }
  const std::string_view values = bash_values(value_name);
  return values.empty() ? ":" : fmt::format("COMPREPLY=($(compgen {} \"$cur\"))", values);
}

std::string bash_value_cases(std::span<const Option> options) {
  std::string cases;
  for (const auto& option : options) {
    if (option.help.empty() || option.takes != Takes::Value) continue;
    const std::string letter = option.letter == 0 ? "" : fmt::format(" | -{}", option.letter);
    cases += fmt::format(
        "        --{}{}) {}; return ;;\n", option.name, letter, bash_action(option.value_name));
  }
  return cases;
}

std::string bash_command(const Command& command) {
  std::string text = fmt::format("    {})\n", command.name);
  if (const auto cases = bash_value_cases(command.options); !cases.empty())
    text += fmt::format("      case $prev in\n{}      esac\n", cases);
  return text + fmt::format("      words='{}'\n      ;;\n", option_words(command.options));
}

// For fish, in single quotes.
std::string fish_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string fish_option(std::string_view condition, const Option& option) {
  std::string text = fmt::format("complete -c corten -n '{}' -l {}", condition, option.name);
  if (option.letter != 0) text += fmt::format(" -s {}", option.letter);
  if (option.takes == Takes::Value) {
    const bool is_file =
        option.value_name == "DIR" || option.value_name == "FILE" || option.value_name == "PATH";
    text += is_file ? " -r -F" : " -x";
  }
  return text + fmt::format(" -d '{}'\n", fish_text(option.help));
}

}  // namespace

std::string manual_page() {
  std::string text =
      std::string(kWrittenBy) +
      ".TH CORTEN 8\n"
      ".SH NAME\ncorten \\- OCI container runtime\n"
      ".SH SYNOPSIS\n"
      ".B corten\n[\\fIGLOBAL\\-OPTION\\fR...] \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
      "[\\fIARGUMENT\\fR...]\n"
      ".SH DESCRIPTION\n"
      "corten creates and runs containers from bundles: a root filesystem and a config.json as the "
      "OCI\n"
      "runtime specification describes it. Container engines call it; a person can as well.\n"
      ".PP\n"
      "A long option may be written with one dash, and its value as the next argument or behind "
      "\"=\".\n"
      ".SH GLOBAL OPTIONS\n";
  text += roff_options(global_options());
  text += ".SH COMMANDS\n";
  for (const auto& command : commands()) {
    text +=
        fmt::format(".TP\n\\fB{}\\fR(8)\n{}\n", roff(page_name(command)), roff(command.summary));
  }
  text +=
      ".SH EXIT STATUS\n"
      ".TP\n0\nDone; nothing was written to the standard error.\n"
      ".TP\n1\nThe command failed; one line on the standard error, and in the log, says why.\n"
      ".TP\n3\nThere is no such command.\n"
      ".TP\n255\nexec could not run the process.\n"
      ".TP\nother\nOf an attached run or exec: the program's status, or 128 and the number of the "
      "signal that ended it.\n"
      ".SH FILES\n"
      ".TP\n/run/corten\nThe states of root's containers.\n"
      ".TP\n$XDG_RUNTIME_DIR/corten\nThe states of an ordinary user's containers.\n";
  return text;
}

std::string manual_page(const Command& command) {
  const std::string name = roff(page_name(command));
  std::string text = fmt::format(
      "{}.TH {} 8\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B corten\n[\\fIGLOBAL\\-OPTION\\fR...] "
      "\\fB{}\\fR [\\fIOPTION\\fR...] {}\n.SH OPTIONS\n",
      kWrittenBy,
      roff(upper(page_name(command))),
      name,
      roff(command.summary),
      roff(command.name),
      roff(command.arguments));
  text += roff_options(command.options);
  if (!command.example.empty()) text += ".SH EXAMPLES\n" + roff_lines(command.example);
  return text + ".SH SEE ALSO\n\\fBcorten\\fR(8), for the global options and the exit status.\n";
}

std::vector<std::pair<std::string, std::string>> reference_files() {
  std::vector<std::pair<std::string, std::string>> files = {
      {"docs/man/corten.8", manual_page()},
      {"completions/corten.bash", bash_completion()},
      {"completions/corten.fish", fish_completion()},
      {"completions/_corten", zsh_completion()}};
  for (const auto& command : commands())
    files.emplace_back(fmt::format("docs/man/{}.8", page_name(command)), manual_page(command));
  return files;
}

std::string bash_completion() {
  std::string text =
      "# Written by the target corten_reference from src/cli/table.cc.\n"
      "_corten() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= "
      "at=1\n"
      "  local root=()\n"
      "  COMPREPLY=()\n"
      "  while [ \"$at\" -lt \"$COMP_CWORD\" ]; do\n"
      "    case ${COMP_WORDS[at]} in\n"
      "      --root) root=(--root \"${COMP_WORDS[at+1]}\"); at=$((at + 2)) ;;\n";
  for (const auto& option : global_options()) {
    if (option.takes == Takes::Value && option.name != "root")
      text += fmt::format("      --{}) at=$((at + 2)) ;;\n", option.name);
  }
  text +=
      "      -*) at=$((at + 1)) ;;\n"
      "      *) command=${COMP_WORDS[at]}; break ;;\n"
      "    esac\n"
      "  done\n"
      "  case $command in\n"
      "    '')\n";
  text += fmt::format("      case $prev in\n{}      esac\n", bash_value_cases(global_options()));
  text += fmt::format(
      "      words='{} {}'\n      ;;\n", option_words(global_options()), command_words());
  for (const auto& command : commands()) text += bash_command(command);
  text += fmt::format("    help) words='{}' ;;\n  esac\n", command_words());
  text +=
      "  if [ -n \"$command\" ] && [ \"${cur:0:1}\" != - ] && [ \"$command\" != help ]; then\n"
      "    words=$(corten \"${root[@]}\" list --quiet 2>/dev/null)\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "}\n"
      "complete -F _corten corten\n";
  return text;
}

std::string fish_completion() {
  std::string text =
      "# Written by the target corten_reference from src/cli/table.cc.\ncomplete -c corten -f\n";
  for (const auto& option : global_options()) {
    if (!option.help.empty()) text += fish_option("__fish_use_subcommand", option);
  }
  for (const auto& command : commands()) {
    text += fmt::format("complete -c corten -n __fish_use_subcommand -a {} -d '{}'\n",
                        command.name,
                        fish_text(command.summary));
    const std::string condition = fmt::format("__fish_seen_subcommand_from {}", command.name);
    for (const auto& option : command.options) {
      if (!option.help.empty()) text += fish_option(condition, option);
    }
    if (command.arguments.find("ID") != std::string_view::npos) {
      text += fmt::format("complete -c corten -n '{}' -a '(corten list --quiet 2>/dev/null)'\n",
                          condition);
    }
  }
  return text;
}

// For zsh's _arguments: the characters that its descriptions give a meaning are escaped.
namespace {

std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// What the value is completed with: the words of "a|b", directories, files, or nothing.
std::string zsh_action(std::string_view value_name) {
  if (value_name.find('|') != std::string_view::npos) {
    std::string words(value_name);
    for (char& c : words) c = c == '|' ? ' ' : c;
    return fmt::format("({})", words);
  }
  if (value_name == "DIR") return "_files -/";
  return value_name == "FILE" || value_name == "PATH" ? "_files" : " ";
}

std::string zsh_options(std::span<const Option> options, std::string_view indent) {
  std::string text;
  for (const auto& option : options) {
    if (option.help.empty()) continue;
    const std::string value =
        option.takes == Takes::Value
            ? fmt::format(":{}:{}", zsh_text(option.value_name), zsh_action(option.value_name))
            : "";
    const char* equals = option.takes == Takes::Value ? "=" : "";
    text += fmt::format(
        "{}'*--{}{}[{}]{}' \\\n", indent, option.name, equals, zsh_text(option.help), value);
    if (option.letter != 0) {
      text +=
          fmt::format("{}'*-{}[{}]{}' \\\n", indent, option.letter, zsh_text(option.help), value);
    }
  }
  return text;
}

}  // namespace

std::string zsh_completion() {
  std::string text =
      "#compdef corten\n"
      "# Written by the target corten_reference from src/cli/table.cc.\n"
      "_corten_ids() {\n"
      "  local -a ids\n"
      "  ids=(${(f)\"$(corten ${opt_args[--root]:+--root} ${opt_args[--root]} list --quiet "
      "2>/dev/null)\"})\n"
      "  compadd -a ids\n"
      "}\n"
      "_corten_commands() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const auto& command : commands())
    text += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.summary));
  text +=
      "    'help:tell about a command'\n"
      "  )\n"
      "  _describe command commands\n"
      "}\n"
      "_corten() {\n"
      "  local context state line\n"
      "  typeset -A opt_args\n"
      "  _arguments -C \\\n";
  text += zsh_options(global_options(), "    ");
  text +=
      "    '1: :_corten_commands' \\\n"
      "    '*:: :->arguments'\n"
      "  [ \"$state\" = arguments ] || return\n"
      "  case $line[1] in\n"
      "    help) _corten_commands ;;\n";
  for (const auto& command : commands()) {
    text += fmt::format("    {})\n      _arguments \\\n", command.name);
    text += zsh_options(command.options, "        ");
    const bool named = command.arguments.find("ID") != std::string_view::npos;
    text += named ? "        '1:container:_corten_ids' '*: :_files'\n      ;;\n"
                  : "        '*: :'\n      ;;\n";
  }
  return text + "  esac\n}\n_corten \"$@\"\n";
}

}  // namespace corten::cli
