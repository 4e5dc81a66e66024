// A command: its table and its function. main() finds it by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "options.h"
#include <corten/base/result.h>
#include <corten/runtime/operations.h>

namespace corten::cli {

// What a command gets.
struct Invocation {
  runtime::Context context;
  Parsed options;
  std::string program;  // "corten", or the name it is called by
};

// Commands that put a process into a container are executed from a protected copy
// (runtime/self_exe.h).
enum class EntersContainer : uint8_t { No, Yes };

struct Command {
  std::string_view name;
  std::string_view arguments;  // for the usage line: "ID"
  std::string_view summary;
  std::string_view example;  // one command line a line
  std::span<const Option> options;
  std::size_t min_positionals = 0;
  std::size_t max_positionals = 0;
  Result<int> (*run)(const Invocation& invocation) = nullptr;  // the exit status
  Order order = Order::Anywhere;
  EntersContainer enters = EntersContainer::No;
  int failure_status = 1;
  // With Order::BeforeArguments: how many arguments may stand before the last option.
  std::size_t leading_positionals = 1;
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);

// Text for people.
std::string command_help(const Command& command, std::string_view program);
std::string program_help(std::string_view program);
std::string version_text(std::string_view program);

// The options before the command.
std::span<const Option> global_options();

// "15", "TERM", "SIGTERM", "RTMIN+3". Errors: InvalidArgument.
Result<int> parse_signal(std::string_view text);

// "5s", "250ms", "1m30s" in milliseconds. Errors: InvalidArgument, also below 1 ms.
Result<int> parse_interval(std::string_view text);

// Everything at once to stdout.
Result<> print(std::string_view text);

// The JSON text in the file that an option names; "-" is the standard input. what: the option, for
// errors.
Result<std::string> read_input(std::string_view what, const std::string& path);

// The commands, one or a few a file.
Result<int> create_command(const Invocation& invocation);
Result<int> run_command(const Invocation& invocation);
Result<int> start_command(const Invocation& invocation);
Result<int> state_command(const Invocation& invocation);
Result<int> kill_command(const Invocation& invocation);
Result<int> delete_command(const Invocation& invocation);
Result<int> list_command(const Invocation& invocation);
Result<int> exec_command(const Invocation& invocation);
Result<int> pause_command(const Invocation& invocation);
Result<int> resume_command(const Invocation& invocation);
Result<int> ps_command(const Invocation& invocation);
Result<int> update_command(const Invocation& invocation);
Result<int> events_command(const Invocation& invocation);
Result<int> mounts_command(const Invocation& invocation);
Result<int> spec_command(const Invocation& invocation);
Result<int> features_command(const Invocation& invocation);
Result<int> checkpoint_command(const Invocation& invocation);
Result<int> restore_command(const Invocation& invocation);

}  // namespace corten::cli
