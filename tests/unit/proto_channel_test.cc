// The channel over a real socket pair: what is sent arrives, and nothing else is believed.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"
#include <corten/proto/channel.h>
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::proto {
namespace {

struct Ends {
  Channel parent;
  Channel child;
};

Ends make_ends() {
  auto ends = Channel::make_pair();
  EXPECT_OK(ends);
  return {std::move(ends->first), std::move(ends->second)};
}

TEST(Channel, CarriesAMessageWithItsFields) {
  const Ends ends = make_ends();
  ASSERT_OK(ends.child.send(InitSpawned{4711}));
  InitSpawned received{};
  ASSERT_OK(ends.parent.expect<InitSpawned>(&received));
  EXPECT_EQ(received.pid, 4711);
}

TEST(Channel, CarriesADescriptor) {
  const Ends ends = make_ends();
  ASSERT_OK_AND_ASSIGN(auto pipe, sys::pipe());
  ASSERT_OK(ends.child.send(TerminalMaster{}, pipe.second.get()));
  pipe.second.reset();
  ASSERT_OK_AND_ASSIGN(const sys::UniqueFd write_end, ends.parent.expect<TerminalMaster>());
  ASSERT_OK(sys::write_all(write_end.get(), "x"));
  char byte = 0;
  EXPECT_EQ(::read(pipe.first.get(), &byte, 1), 1);
  EXPECT_EQ(::fcntl(write_end.get(), F_GETFD), FD_CLOEXEC);
}

TEST(Channel, FailureBecomesItsError) {
  const Ends ends = make_ends();
  ends.child.send_failure(Error::spec("/mounts/1", "no such source").with_errno(2));
  const auto received = ends.parent.expect<Ready>();
  EXPECT_ERROR(received, ErrorKind::InvalidSpec, "/mounts/1");
  EXPECT_EQ(received.error().message(), "/mounts/1: no such source");
  EXPECT_EQ(received.error().errno_value(), 2);
}

TEST(Channel, LongFailuresAreCutNotLost) {
  const Ends ends = make_ends();
  ends.child.send_failure(Error(ErrorKind::System, std::string(100000, 'x')));
  const auto received = ends.parent.expect<Ready>();
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().message().size(), sizeof(Failure::text) - 1);
}

TEST(Channel, EndOfFileIsToldApart) {
  Ends ends = make_ends();
  ends.child.close();
  ASSERT_OK_AND_ASSIGN(const auto envelope, ends.parent.receive());
  EXPECT_FALSE(envelope);
  EXPECT_ERROR(ends.parent.expect<Ready>(), ErrorKind::Protocol);
}

TEST(Channel, RefusesWhatIsNoMessage) {
  const Ends ends = make_ends();
  for (const std::string& packet : {std::string("\xff\0\0\0", 4),
                                    std::string("x"),
                                    std::string("\x04\0\0\0", 4),
                                    std::string("\x01\0\0\0xxxx", 8)}) {
    ASSERT_OK(sys::send_message(ends.child.fd(), packet, -1));
    EXPECT_ERROR(ends.parent.receive(), ErrorKind::Protocol);
  }
}

TEST(Channel, RefusesAMessageOutOfTurn) {
  const Ends ends = make_ends();
  ASSERT_OK(ends.child.send(HooksRequest{}));
  EXPECT_ERROR(ends.parent.expect<Ready>(), ErrorKind::Protocol);
}

}  // namespace
}  // namespace corten::proto
