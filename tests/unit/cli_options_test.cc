// The option parser, on tables of its own and on the command line's.
#include <initializer_list>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "command.h"
#include "options.h"

namespace corten::cli {
namespace {

constexpr Option kTable[] = {
    {"bundle", 'b', Takes::Value, "DIR", "a"},
    {"detach", 'd', Takes::Nothing, "", "b"},
    {"tty", 't', Takes::Nothing, "", "c"},
    {"rootless", 0, Takes::OptionalValue, "", "d"},
    {"env", 'e', Takes::Value, "NAME=VALUE", "e"},
};

Result<Parsed> parse(std::initializer_list<std::string> words,
                     Order order = Order::Anywhere,
                     std::size_t leading = 1) {
  std::vector<std::string> storage(words);
  std::vector<char*> pointers;
  for (auto& word : storage) pointers.push_back(word.data());
  return parse_options(pointers, kTable, order, leading);
}

std::string error_of(std::initializer_list<std::string> words) {
  const auto parsed = parse(words);
  return parsed ? "no error" : parsed.error().message();
}

TEST(CliOptions, TakesEverySpellingOfAValue) {
  for (const auto& words : {std::initializer_list<std::string>{"--bundle", "x", "id"},
                            {"--bundle=x", "id"},
                            {"-bundle", "x", "id"},
                            {"-bundle=x", "id"},
                            {"-b", "x", "id"},
                            {"-bx", "id"},
                            {"-b=x", "id"},
                            {"-db", "x", "id"},
                            {"id", "--bundle", "x"}}) {
    const auto parsed = parse(words);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->value("bundle"), "x");
    EXPECT_EQ(parsed->positional, std::vector<std::string>{"id"});
  }
}

TEST(CliOptions, TakesAValueThatLooksLikeAnOption) {
  EXPECT_EQ(parse({"--bundle", "--detach"})->value("bundle"), "--detach");
  EXPECT_FALSE(parse({"--bundle", "--detach"})->has("detach"));
  EXPECT_EQ(parse({"--bundle="})->value("bundle"), "");
  EXPECT_EQ(parse({"--env=A=b=c"})->value("env"), "A=b=c");
}

TEST(CliOptions, TheLastValueWinsAndAllAreKept) {
  const auto parsed = parse({"-e", "A=1", "-e", "B=2"});
  EXPECT_EQ(parsed->value("env"), "B=2");
  EXPECT_EQ(parsed->values("env"), (std::vector<std::string>{"A=1", "B=2"}));
  EXPECT_EQ(parsed->value("bundle"), std::nullopt);
}

TEST(CliOptions, FlagsTakeTrueAndFalseOnly) {
  for (const char* yes : {"--detach=1", "--detach=T", "--detach=TRUE"})
    EXPECT_TRUE(parse({yes})->has("detach")) << yes;
  for (const char* no : {"--detach=0", "--detach=F", "--detach=no"})
    EXPECT_FALSE(parse({no})->has("detach")) << no;
  EXPECT_TRUE(parse({"--detach=true"})->has("detach"));
  EXPECT_FALSE(parse({"--detach=false"})->has("detach"));
  EXPECT_EQ(error_of({"--detach=maybe"}), "'--detach=maybe' takes no value");
  EXPECT_TRUE(parse({"-dt"})->has("detach") && parse({"-dt"})->has("tty"));
}

TEST(CliOptions, AnOptionalValueIsTheNextWordOnlyWhenItCanBeNothingElse) {
  for (const char* value : {"auto", "true", "false"}) {
    EXPECT_EQ(parse({"--rootless", value})->value("rootless"), value);
    EXPECT_TRUE(parse({"--rootless", value})->positional.empty());
  }
  EXPECT_EQ(parse({"--rootless", "list"})->value("rootless"), "");
  EXPECT_EQ(parse({"--rootless", "list"})->positional, std::vector<std::string>{"list"});
  EXPECT_EQ(parse({"--rootless=auto"})->value("rootless"), "auto");
}

TEST(CliOptions, NamesWhatIsWrong) {
  EXPECT_EQ(error_of({"--bundle"}), "flag needs an argument: --bundle");
  EXPECT_EQ(error_of({"-b"}), "flag needs an argument: -b");
  EXPECT_EQ(error_of({"--nope"}), "unknown option '--nope': see --help");
  EXPECT_EQ(error_of({"--bundl", "x"}), "unknown option '--bundl': see --help");
  EXPECT_EQ(error_of({"-dx"}), "unknown option '-dx': see --help");
}

TEST(CliOptions, TwoDashesEndTheOptions) {
  EXPECT_EQ(parse({"id", "--", "--detach", "--"})->positional,
            (std::vector<std::string>{"id", "--detach", "--"}));
  EXPECT_EQ(parse({"-", "id"})->positional, (std::vector<std::string>{"-", "id"}));
}

TEST(CliOptions, ACommandLineBehindTheIdIsLeftAlone) {
  const auto parsed = parse({"-t", "id", "-d", "ls", "-b", "--nope"}, Order::BeforeArguments);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->has("tty"));
  EXPECT_EQ(parsed->positional, (std::vector<std::string>{"id", "ls", "-b", "--nope"}));
}

TEST(CliOptions, NumbersAreWholeAndFit) {
  EXPECT_EQ(**parse({"--env", "7"})->number("env"), 7U);
  for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "0x1", "4294967296", "1.0"})
    EXPECT_FALSE(parse({"--env", wrong})->number("env")) << wrong;
}

TEST(CliSignals, NamesAndNumbers) {
  const std::pair<const char*, int> good[] = {{"15", 15},
                                              {"TERM", 15},
                                              {"SIGTERM", 15},
                                              {"sigterm", 15},
                                              {"kill", 9},
                                              {"0", 0},
                                              {"64", 64},
                                              {"RTMIN", 34},
                                              {"RTMIN+3", 37},
                                              {"RTMAX", 64},
                                              {"SIGRTMAX-1", 63},
                                              {"WINCH", 28}};
  for (const auto& [text, number] : good) {
    const auto signal = parse_signal(text);
    ASSERT_TRUE(signal) << text;
    EXPECT_EQ(*signal, number) << text;
  }
  for (const char* wrong : {"",
                            "-1",
                            "65",
                            "SIG",
                            "TERMX",
                            "SIGSIGTERM",
                            "RTMIN+31",
                            "RTMIN-1",
                            "RTMAX+1",
                            "RTMIN+",
                            "9 ",
                            "9x"})
    EXPECT_FALSE(parse_signal(wrong)) << wrong;
}

TEST(CliInterval, TakesGoDurations) {
  const std::pair<const char*, int> good[] = {{"5s", 5000},
                                              {"250ms", 250},
                                              {"1m30s", 90000},
                                              {"1.5h", 5400000},
                                              {"0.25s", 250},
                                              {"2000us", 2},
                                              {"2000\xC2\xB5s", 2},
                                              {"1000000ns", 1}};
  for (const auto& [text, milliseconds] : good) {
    const auto interval = parse_interval(text);
    ASSERT_TRUE(interval.has_value()) << text;
    EXPECT_EQ(*interval, milliseconds) << text;
  }
  for (const char* wrong :
       {"", "5", "s", "-5s", "5x", "5s5", "0s", "1us", "9999999h", "1..5s", " 5s"})
    EXPECT_FALSE(parse_interval(wrong)) << wrong;
}

// A table with two options of one name or letter would hide the second.
TEST(CliTables, NamesAndLettersAreUnique) {
  const auto check = [](std::string_view where, std::span<const Option> options) {
    for (std::size_t i = 0; i < options.size(); ++i) {
      for (std::size_t k = i + 1; k < options.size(); ++k) {
        EXPECT_NE(options[i].name, options[k].name) << where;
        EXPECT_TRUE(options[i].letter == 0 || options[i].letter != options[k].letter)
            << where << ": " << options[k].name;
      }
      const bool shown = !options[i].help.empty();
      EXPECT_EQ(shown && options[i].takes == Takes::Value, shown && !options[i].value_name.empty())
          << where << ": " << options[i].name;
    }
  };
  check("global", global_options());
  for (const auto& command : commands()) check(command.name, command.options);
}

TEST(CliTables, EveryCommandHasHelp) {
  for (const auto& command : commands()) {
    const std::string help = command_help(command, "corten");
    EXPECT_NE(help.find("Usage: corten"), std::string::npos);
    EXPECT_NE(program_help("corten").find(fmt::format("  {} ", command.name)), std::string::npos);
    EXPECT_EQ(find_command(command.name), &command);
  }
  EXPECT_EQ(find_command("creat"), nullptr);
  EXPECT_EQ(find_command(""), nullptr);
}

TEST(CliTables, VersionStartsWithTheNameItIsCalledBy) {
  EXPECT_TRUE(version_text("runc").starts_with("runc version "));
  EXPECT_NE(version_text("corten").find("\ncommit: "), std::string::npos);
  EXPECT_NE(version_text("corten").find("\nspec: 1."), std::string::npos);
}

}  // namespace
}  // namespace corten::cli
