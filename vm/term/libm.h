/* SPDX-License-Identifier: Apache-2.0 */
/* The C library's mathematical functions, for module math. */
#pragma once

#include "lib/cstd.h"

double cos(double v);
double cosh(double v);
double sin(double v);
double sinh(double v);
double tan(double v);
double tanh(double v);
double acos(double v);
double acosh(double v);
double asin(double v);
double asinh(double v);
double atan(double v);
double atanh(double v);
double erf(double v);
double erfc(double v);
double exp(double v);
double log(double v);
double log2(double v);
double log10(double v);
double sqrt(double v);
double atan2(double a, double b);
double pow(double a, double b);
