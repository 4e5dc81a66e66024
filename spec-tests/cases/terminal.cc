// config.md: terminal and consoleSize; the terminal arrives over the console socket that engines
// use.
#include <sys/ioctl.h>
#include <unistd.h>

#include "case.h"
#include "unix_socket.h"

namespace spec {
namespace {

// Runs "checker report" on a terminal and returns the report that came out of the terminal's other
// end.
Json report_on_terminal(Case& c) {
  ListeningSocket socket(c.socket_path("console"));
  c.container.create_arguments = {"--console-socket", socket.path()};
  c.bundle.process()["terminal"] = true;
  c.bundle.set_command({"report"});
  c.container.must_create();
  ReceivedMessage message;
  if (!socket.receive(message, settings().timeout) || message.fds.empty()) {
    ADD_FAILURE() << "no terminal arrived on the console socket";
    throw CaseAborted("terminal");
  }
  const Fd& terminal = message.fds[0];
  EXPECT_EQ(::isatty(terminal.get()), 1) << "what arrived is no terminal";
  c.container.must_start();
  std::string text;
  char buffer[4096];
  // The terminal reports an error (EIO) when its last user is gone.
  while (wait_readable(terminal.get(), settings().timeout)) {
    const ssize_t got = ::read(terminal.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  c.container.wait_exit();
  Json report = Json::parse(text, nullptr, false);
  if (report.is_discarded()) {
    ADD_FAILURE() << "the terminal carried no report: " << text;
    throw CaseAborted("terminal");
  }
  return report;
}

SPEC_CASE(Terminal,
          StandardStreams,
          "RT-018 RT-005",
          "with terminal true the standard streams are a pseudoterminal") {
  const Json terminal = report_on_terminal(c)["terminal"];
  for (const char* stream : {"stdin", "stdout", "stderr"})
    EXPECT_EQ(terminal[stream], true) << stream;
}

SPEC_CASE(Terminal,
          Console,
          "LX-014",
          "with terminal true the terminal is bind mounted on /dev/console") {
  const Json report = report_on_terminal(c);
  ASSERT_TRUE(report["dev"].contains("console")) << "/dev/console is missing";
  EXPECT_EQ(report["dev"]["console"].value("type", ""), "char");
  EXPECT_EQ(report["dev"]["console"].value("major", -1), 136)
      << "/dev/console is not a pseudoterminal";
  EXPECT_TRUE(mount_at(report, "/dev/console")) << "/dev/console is not a mount";
}

SPEC_CASE(Terminal, ConsoleSize, "RT-005 RT-018", "consoleSize is the size of the terminal") {
  c.bundle.process()["consoleSize"] = {{"height", 33}, {"width", 101}};
  const Json terminal = report_on_terminal(c)["terminal"];
  EXPECT_EQ(terminal["height"], 33);
  EXPECT_EQ(terminal["width"], 101);
}

}  // namespace
}  // namespace spec
