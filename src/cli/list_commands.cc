// list and ps.
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "command.h"
#include <corten/base/json_text.h>
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::cli {

namespace {

constexpr std::size_t kMaxPsOutput = std::size_t{64} << 20U;

enum class Form : uint8_t { Table, Json };

Result<Form> read_form(const Parsed& parsed) {
  const std::string text = parsed.value_or("format", "table");
  if (text == "table") return Form::Table;
  if (text == "json") return Form::Json;
  return Error(ErrorKind::InvalidArgument, "--format takes table or json, not " + quote(text));
}

// As runc: "null" for an empty list.
std::string list_json(const std::vector<spec::State>& states) {
  if (states.empty()) return "null";
  std::string text = "[";
  for (const auto& state : states) {
    if (text.size() > 1) text += ',';
    text += spec::to_json(state, spec::Extras::Yes, spec::Layout::Compact);
  }
  return text + "]";
}

std::string list_table(const std::vector<spec::State>& states) {
  std::size_t widths[5] = {2, 3, 6, 6, 7};
  for (const auto& state : states) {
    widths[0] = std::max(widths[0], state.id.size());
    widths[1] = std::max(widths[1], std::to_string(state.pid).size());
    widths[2] = std::max(widths[2], spec::status_name(state.status).size());
    widths[3] = std::max(widths[3], state.bundle.size());
    widths[4] = std::max(widths[4], state.created.size());
  }
  const auto row = [&](std::string_view id,
                       std::string_view pid,
                       std::string_view status,
                       std::string_view bundle,
                       std::string_view created,
                       std::string_view owner) {
    return fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {}\n",
                       id,
                       widths[0],
                       pid,
                       widths[1],
                       status,
                       widths[2],
                       bundle,
                       widths[3],
                       created,
                       widths[4],
                       owner);
  };
  std::string text = row("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
  for (const auto& state : states) {
    text += row(state.id,
                std::to_string(state.pid),
                spec::status_name(state.status),
                state.bundle,
                state.created,
                state.owner);
  }
  return text;
}

// ps(1) of the host, told what to print; its table has a PID column to filter by.
Result<std::string> run_ps(const std::vector<std::string>& arguments) {
  auto [read_end, write_end] = TRY(sys::pipe());
  const pid_t pid = TRY(sys::fork());
  if (pid == 0) {
    std::vector<std::string> args = {"ps"};
    args.insert(args.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    if (!sys::duplicate_to(write_end.get(), STDOUT_FILENO)) _exit(127);
    for (const char* path : {"/bin/ps", "/usr/bin/ps"})
      (void)sys::execve(path, argv.data(), environ);
    _exit(127);
  }
  write_end.reset();
  Result<std::string> output = sys::read_all(read_end.get(), kMaxPsOutput);
  const sys::Exit exit = TRY(sys::wait_child(pid));
  if (!output) return output;
  if (!exit.signaled && exit.code == 127)
    return Error(ErrorKind::Unsupported,
                 "ps(1) is not installed (Debian package procps): use --format json");
  if (exit.signaled || exit.code != 0)
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("ps ended with status {}: it must print a table with a PID column",
                             exit.shell_status()));
  return output;
}

std::vector<std::string_view> columns(std::string_view line) {
  std::vector<std::string_view> out;
  for (const auto part : split(line, ' ')) {
    if (!part.empty()) out.push_back(part);
  }
  return out;
}

Result<std::string> filter_by_pid(const std::string& table, const std::vector<pid_t>& pids) {
  const auto lines = split(table, '\n');
  const auto header = columns(lines.front());
  const auto position =
      static_cast<std::size_t>(std::find(header.begin(), header.end(), "PID") - header.begin());
  if (position == header.size())
    return Error(ErrorKind::InvalidArgument, "the output of ps has no PID column");
  std::string text(lines.front());
  text += '\n';
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = columns(lines[i]);
    if (fields.size() <= position) continue;
    const auto pid = parse_integer<pid_t>(fields[position]);
    if (pid && std::find(pids.begin(), pids.end(), *pid) != pids.end())
      text += std::string(lines[i]) + "\n";
  }
  return text;
}

}  // namespace

Result<int> list_command(const Invocation& invocation) {
  const Form form = TRY(read_form(invocation.options));
  const auto entries = TRY(runtime::list(invocation.context));
  std::vector<spec::State> states;
  std::string ids;
  for (const auto& entry : entries) {
    if (!entry.state && entry.state.error().kind() == ErrorKind::NotFound)
      continue;  // deleted in between
    ids += entry.id + "\n";
    if (entry.state) {
      states.push_back(*entry.state);
    } else {
      log::warning(entry.id + ": " + entry.state.error().message());
    }
  }
  const bool quiet = invocation.options.has("quiet");
  TRY(print(quiet ? ids : form == Form::Json ? list_json(states) + "\n" : list_table(states)));
  return 0;
}

Result<int> ps_command(const Invocation& invocation) {
  const Form form = TRY(read_form(invocation.options));
  const auto& positional = invocation.options.positional;
  const auto pids = TRY(runtime::ps(invocation.context, positional.front()));
  if (form == Form::Json) {
    TRY(print(fmt::format("[{}]\n", fmt::join(pids, ","))));
    return 0;
  }
  std::vector<std::string> arguments(positional.begin() + 1, positional.end());
  std::erase(arguments, "");  // engines pass an empty last argument
  if (arguments.empty()) arguments = {"-ef"};
  const std::string table = TRY(run_ps(arguments));
  const std::string own = TRY(filter_by_pid(table, pids));
  TRY(print(own));
  return 0;
}

}  // namespace corten::cli
