// A listening UNIX socket that receives descriptors: console sockets and seccomp agents.
#pragma once

#include <string>
#include <vector>

#include "process.h"

namespace spec {

struct ReceivedMessage {
  std::string data;
  std::vector<Fd> fds;
  size_t first_message_fds = 0;  // descriptors that came with the first recvmsg
  bool end_of_file = false;      // the peer closed the connection after its data
};

class ListeningSocket {
 public:
  explicit ListeningSocket(const std::string& path);
  const std::string& path() const { return path_; }

  // Takes one connection and reads it to its end, or until nothing has come for two seconds. False
  // when nobody connected before the time was over.
  bool receive(ReceivedMessage& message, Milliseconds timeout);

 private:
  std::string path_;
  Fd socket_;
};

}  // namespace spec
