// Compiles Boost.Asio once; everything else sees declarations only.
#include <boost/asio/impl/src.hpp>
