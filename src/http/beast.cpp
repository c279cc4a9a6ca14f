// Compiles Boost.Beast once; everything else sees declarations only.
#include <boost/beast/src.hpp>
