// A transport of ours for answers that nobody sends.
#pragma once

#include "webrtc/peer.hpp"

inline rivulet::webrtc::local_transport fuzz_transport() {
    rivulet::webrtc::local_transport made;
    made.ice = {"ufrag", "passwordpasswordpassword"};
    made.fingerprint = "AA:BB";
    rivulet::webrtc::ice_candidate one;
    one.address = "192.0.2.1";
    one.port = 7280;
    one.priority = 1;
    one.foundation = "1";
    made.candidates.push_back(one);
    return made;
}
