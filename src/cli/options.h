// The option table of a command serves the parser, `--help`, completion and the man pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>

namespace corten::cli {

enum class Takes : uint8_t {
  Nothing,        // --detach
  Value,          // --bundle DIR, --bundle=DIR
  OptionalValue,  // --rootless, --rootless=auto, --rootless auto
};

struct Option {
  std::string_view name;  // without dashes
  char letter = 0;        // 0 = no short form
  Takes takes = Takes::Nothing;
  std::string_view value_name = {};
  std::string_view help = {};  // "" = accepted for compatibility, without effect, and not shown
};

// Options as they came, and what is not an option.
class Parsed {
 public:
  bool has(std::string_view name) const;
  // The last one wins. nullopt when it was not given.
  std::optional<std::string> value(std::string_view name) const;
  std::vector<std::string> values(std::string_view name) const;
  std::string value_or(std::string_view name, std::string_view fallback) const;
  // Errors: InvalidArgument that names the option.
  Result<std::optional<uint32_t>> number(std::string_view name) const;

  std::vector<std::string> positional;

  void add(std::string_view name, std::string value) { given_.push_back({name, std::move(value)}); }

 private:
  struct Given {
    std::string_view name;
    std::string value;
  };
  std::vector<Given> given_;
};

// Where options may stand.
enum class Order : uint8_t {
  Anywhere,         // before and behind the positional arguments
  BeforeArguments,  // up to the first positional argument but `id` (exec: the rest is a command
                    // line)
};

// Whether the word behind an option with an optional value is that value: "auto", "true", "false".
bool is_optional_value(std::string_view word);

// Parses `arguments`. "-name" is the same as "--name" when no short option is meant (engines do
// that). id_first: with BeforeArguments, how many positional arguments may still be followed by
// options. Errors: InvalidArgument "unknown option", "flag needs an argument: --x".
Result<Parsed> parse_options(std::span<char* const> arguments,
                             std::span<const Option> options,
                             Order order,
                             std::size_t leading_positionals);

}  // namespace corten::cli
