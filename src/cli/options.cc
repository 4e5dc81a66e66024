#include "options.h"

#include <algorithm>

#include <fmt/format.h>

#include <corten/base/strings.h>

namespace corten::cli {

bool Parsed::has(std::string_view name) const {
  return std::any_of(
      given_.begin(), given_.end(), [&](const Given& one) { return one.name == name; });
}

std::optional<std::string> Parsed::value(std::string_view name) const {
  for (auto one = given_.rbegin(); one != given_.rend(); ++one) {
    if (one->name == name) return one->value;
  }
  return std::nullopt;
}

std::vector<std::string> Parsed::values(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& one : given_) {
    if (one.name == name) all.push_back(one.value);
  }
  return all;
}

std::string Parsed::value_or(std::string_view name, std::string_view fallback) const {
  return value(name).value_or(std::string(fallback));
}

Result<std::optional<uint32_t>> Parsed::number(std::string_view name) const {
  const auto text = value(name);
  if (!text) return std::optional<uint32_t>();
  const auto parsed = parse_integer<uint32_t>(*text);
  if (!parsed)
    return Error(
        ErrorKind::InvalidArgument,
        fmt::format("--{} takes a number from 0 to 4294967295, not {}", name, quote(*text)));
  return std::optional<uint32_t>(*parsed);
}

namespace {

const Option* find_long(std::span<const Option> options, std::string_view name) {
  const auto found = std::find_if(
      options.begin(), options.end(), [&](const Option& one) { return one.name == name; });
  return found == options.end() ? nullptr : &*found;
}

const Option* find_letter(std::span<const Option> options, char letter) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const Option& one) {
    return one.letter == letter && letter != 0;
  });
  return found == options.end() ? nullptr : &*found;
}

// The spellings of Go's strconv.ParseBool, since runc takes them, and crun's "no".
std::optional<bool> parse_flag(std::string_view text) {
  for (const std::string_view yes : {"true", "1", "t", "T", "TRUE", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"false", "0", "f", "F", "FALSE", "False", "no"})
    if (text == no) return false;
  return std::nullopt;
}

Error unknown_option(std::string_view text) {
  return Error(ErrorKind::InvalidArgument,
               fmt::format("unknown option {}: see --help", quote(text)));
}

class Parser {
 public:
  Parser(std::span<char* const> arguments, std::span<const Option> options)
      : arguments_(arguments), options_(options) {}

  Result<Parsed> run(Order order, std::size_t leading_positionals) {
    while (at_ < arguments_.size()) {
      const std::string_view text = arguments_[at_++];
      const bool is_option = text.size() > 1 && text.front() == '-' && !only_positionals_;
      if (text == "--" && !only_positionals_) {
        only_positionals_ = true;
      } else if (is_option) {
        TRY(take_option(text));
      } else {
        parsed_.positional.emplace_back(text);
        if (order == Order::BeforeArguments && parsed_.positional.size() > leading_positionals)
          only_positionals_ = true;
      }
    }
    return std::move(parsed_);
  }

 private:
  Result<> take_option(std::string_view text) {
    const std::string_view bare = text.substr(text.starts_with("--") ? 2 : 1);
    const auto equals = bare.find('=');
    std::string_view name = bare.substr(0, equals);
    if (name == "usage" || name == "?") name = "help";  // crun's
    if (const Option* option = find_long(options_, name)) return take(*option, text, bare, equals);
    if (text.starts_with("--")) return unknown_option(text);
    return take_letters(bare, text);
  }

  Result<> take(const Option& option,
                std::string_view text,
                std::string_view bare,
                std::size_t equals) {
    const bool has_value = equals != std::string_view::npos;
    if (option.takes == Takes::Nothing && has_value) {
      const auto value = parse_flag(bare.substr(equals + 1));
      if (!value)
        return Error(ErrorKind::InvalidArgument, fmt::format("{} takes no value", quote(text)));
      if (*value) parsed_.add(option.name, "");
      return {};
    }
    if (!has_value && option.takes == Takes::OptionalValue && at_ < arguments_.size() &&
        is_optional_value(arguments_[at_]))
      return take_next(option, text);
    if (has_value || option.takes != Takes::Value) {
      parsed_.add(option.name, has_value ? std::string(bare.substr(equals + 1)) : std::string());
      return {};
    }
    return take_next(option, text);
  }

  Result<> take_next(const Option& option, std::string_view text) {
    if (at_ >= arguments_.size())
      return Error(ErrorKind::InvalidArgument, fmt::format("flag needs an argument: {}", text));
    parsed_.add(option.name, arguments_[at_++]);
    return {};
  }

  // "-dt", "-bDIR", "-b DIR".
  Result<> take_letters(std::string_view letters, std::string_view text) {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      const Option* option = find_letter(options_, letters[i]);
      if (option == nullptr) return unknown_option(text);
      if (option->takes != Takes::Value) {
        parsed_.add(option->name, "");
        continue;
      }
      std::string_view rest = letters.substr(i + 1);
      if (rest.empty()) return take_next(*option, text);
      if (rest.front() == '=') rest.remove_prefix(1);
      parsed_.add(option->name, std::string(rest));
      return {};
    }
    return {};
  }

  std::span<char* const> arguments_;
  std::span<const Option> options_;
  std::size_t at_ = 0;
  bool only_positionals_ = false;
  Parsed parsed_;
};

}  // namespace

bool is_optional_value(std::string_view word) {
  return word == "auto" || word == "true" || word == "false";
}

Result<Parsed> parse_options(std::span<char* const> arguments,
                             std::span<const Option> options,
                             Order order,
                             std::size_t leading_positionals) {
  return Parser(arguments, options).run(order, leading_positionals);
}

}  // namespace corten::cli
