"""Writes earth-orientation.txt, the Earth-orientation data that the crate `astrometry` bundles.

The source is the table that astropy uses (package astropy-iers-data: finals2000A.all of the IERS rapid service, with the
final values of EOP C04 where they exist), so that the crate's values are astropy's.

Usage: python make_snapshot.py > earth-orientation.txt
"""

from importlib.metadata import version

from astropy.utils import iers

iers.conf.auto_download = False
FIRST = 53371  # 2005-01-01

table = iers.IERS_Auto.open()
mjd = table["MJD"].value
keep = mjd >= FIRST
assert (mjd[keep][1:] - mjd[keep][:-1] == 1).all()

print("# Earth orientation, one line a day at 0 h UTC: polar motion x, polar motion y (microarcseconds), UT1-UTC (0.1 microseconds).")
print(f"# Source: IERS finals2000A.all and EOP C04, as packaged in astropy-iers-data {version('astropy-iers-data')}; made by make_snapshot.py.")
print(f"first-mjd {FIRST}")
print(f"first-predicted-mjd {int(table.meta['predictive_mjd'])}")
for x, y, d in zip(table["PM_x"][keep], table["PM_y"][keep], table["UT1_UTC"][keep], strict=True):
    print(round(x.to_value("arcsec") * 1e6), round(y.to_value("arcsec") * 1e6), round(d.to_value("s") * 1e7))
