"""Writes the reference values that the tests of `astrometry` compare with: pyuvdata (ERFA and astropy behind it).

Needs pyuvdata 3.2 and astropy 7 or later; nothing is downloaded. Usage: python make_reference.py > reference.csv

Columns: site, jd_utc, icrs_ra, icrs_dec, lst, app_ra, app_dec, frame_pa, u, v, w, pm_x, pm_y (arcsec), ut1_utc (s),
ha0_ra, ha0_dec (the ICRS direction of hour angle 0 at declination icrs_dec of date). Radians and metres.
u, v, w are those of a station at (1500, -1300, 1700) m from the array's centre, ITRF axes.
"""

import numpy as np
from astropy.coordinates import EarthLocation
from astropy.time import Time
from astropy.utils import iers
from pyuvdata import utils
from pyuvdata.utils import phasing

iers.conf.auto_download = False
iers.conf.auto_max_age = None

SITES = {
    "ovro": (37.2339, -118.2825, 1222.0),
    "karoo": (-30.7215, 21.4283, 1051.7),
    "pole": (-89.99, 45.0, 2800.0),
}
TIMES = [
    "2010-03-04T05:06:07", "2012-06-30T12:00:00", "2012-06-30T23:59:59.5", "2012-07-01T00:00:00", "2012-07-01T00:00:12",
    "2015-06-30T23:58:00", "2015-07-01T00:02:00", "2016-12-31T18:00:00", "2017-01-01T00:00:00", "2017-01-01T06:00:00",
    "2019-08-17T21:12:33", "2022-02-15T11:11:11", "2024-02-29T23:59:50", "2026-01-25T00:05:19", "2026-01-24T23:57:30",
    "2026-10-31T10:20:30", "2026-11-20T03:00:00", "2027-06-15T09:30:00", "2027-11-02T23:59:59",
    "2029-01-01T12:00:00",  # beyond the snapshot: the last values stay
]
DIRECTIONS = [(0.0, 16.15), (359.9999, 54.6), (83.633, 71.6), (187.7, -30.0), (266.4, 89.2), (120.0, -88.5), (45.0, 37.2)]
STATION = np.array([[0.0, 0.0, 0.0], [1500.0, -1300.0, 1700.0]])

print("site,lat_deg,lon_deg,height_m,jd_utc,icrs_ra,icrs_dec,lst,app_ra,app_dec,frame_pa,u,v,w,pm_x,pm_y,ut1_utc,ha0_ra,ha0_dec")
table = iers.earth_orientation_table.get()
n = 0
for site, (lat, lon, height) in SITES.items():
    loc = EarthLocation.from_geodetic(lon, lat, height)
    for text in TIMES:
        jd = np.array([Time(text, scale="utc").jd])
        time = Time(jd, format="jd", scale="utc")
        lst = utils.get_lst_for_time(jd, telescope_loc=loc)
        pm_x, pm_y = table.pm_xy(time)
        ut1_utc = table.ut1_utc(time)
        for ra, dec in DIRECTIONS:
            ra, dec = np.deg2rad([ra]), np.deg2rad([dec])
            app_ra, app_dec = phasing.calc_app_coords(lon_coord=ra[0], lat_coord=dec[0], time_array=jd, telescope_loc=loc)
            pa = phasing.calc_frame_pos_angle(time_array=jd, app_ra=app_ra, app_dec=app_dec, telescope_loc=loc, ref_frame="icrs")
            uvw = phasing.calc_uvw(
                app_ra=app_ra, app_dec=app_dec, frame_pa=pa, lst_array=lst, use_ant_pos=True, antenna_positions=STATION,
                antenna_numbers=[0, 1], ant_1_array=[0], ant_2_array=[1], telescope_lat=loc.lat.rad, telescope_lon=loc.lon.rad,
            )[0]
            ha0_ra, ha0_dec = phasing.transform_app_to_icrs(time_array=jd, app_ra=lst, app_dec=dec, telescope_loc=loc)
            values = [jd[0], ra[0], dec[0], lst[0], app_ra[0], app_dec[0], pa[0], *uvw, pm_x.to_value("arcsec")[0],
                      pm_y.to_value("arcsec")[0], ut1_utc.to_value("s")[0], ha0_ra[0], ha0_dec[0]]
            print(f"{site},{lat},{lon},{height}," + ",".join(repr(float(v)) for v in values))
            n += 1
assert n == len(SITES) * len(TIMES) * len(DIRECTIONS)
